"""A page of its own beside the report: one template, one folder, never over a page that somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from landscape.config.errors import UserError


def templates() -> Environment:
    """The templates of all pages. An undefined name in one is an error."""
    return Environment(
        loader=PackageLoader("analysis.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(out: Path, template: str, module: str, fill: Callable[[], dict[str, Any]]) -> None:
    """Write index.html into the folder `out` from a template, after `fill` has written its figures there.

    `module` marks the page as its own, which may be overwritten. Raises `UserError` if `out` cannot be written, or if
    its index.html lacks the mark.
    """
    index, mark = out / "index.html", f'<meta name="generator" content="landscape {module}">'
    try:
        out.mkdir(parents=True, exist_ok=True)
        if index.exists() and mark not in index.read_text(encoding="utf-8", errors="replace")[:4096]:
            raise UserError(f"{index} was not written by this program; give another folder with --out FOLDER")
        page = templates().get_template(template).render(fill(), mark=mark)
        index.write_text(page, encoding="utf-8")
    except OSError as e:
        raise UserError(f"{out} cannot be written ({e.strerror or e}); give another folder with --out FOLDER") from e
