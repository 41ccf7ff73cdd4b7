"""CSV files that are safe to open in a spreadsheet: text is never taken for a formula.

Names and reasons in a store are untrusted. Spreadsheets run a cell that begins with one of `BEGINS`; an apostrophe
before it makes it text. Numbers are unchanged. A carriage return, which some programs take for a new row, becomes a
space.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

BEGINS = r"=+\-@\t\n"
# Text that already begins with apostrophes gets one more, so that reading can always remove one.
_FORMULA, _KEPT = re.compile(f"'*[{BEGINS}]"), re.compile(f"'+[{BEGINS}]")


def write_csv(frame: pd.DataFrame, file: str | Path) -> None:
    """Write `frame` without its index."""
    texts = frame.select_dtypes(exclude="number")
    frame.assign(**{str(key): texts[key].map(_shown) for key in texts}).to_csv(file, index=False)


def _shown(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")
    return f"'{value}" if _FORMULA.match(value) else value


def unescape(value: Any) -> Any:
    """A value read from such a file, without the apostrophe that `write_csv` added."""
    return value[1:] if isinstance(value, str) and _KEPT.match(value) else value
