"""Location of `conf/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import landscape


@cache
def conf_dir() -> Path:
    """The `conf/` folder: inside the package in a wheel, next to it in a checkout or an editable install."""
    package = Path(landscape.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
