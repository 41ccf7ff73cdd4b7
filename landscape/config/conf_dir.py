"""Where the choices of `conf/` lie."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import landscape


@cache
def conf_dir() -> Path:
    """Where `conf/` is: inside the package in a wheel, beside it in a checkout or an editable install."""
    package = Path(landscape.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
