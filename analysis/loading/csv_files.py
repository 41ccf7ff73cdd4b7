"""CSV files that a spreadsheet may open: text that it would take for a formula is written so that it stays text.

What names a data set, or says why a run failed, may be anybody's. Spreadsheets run a cell that begins with one of
`BEGINS`; with an apostrophe before it they show it. Numbers are written as they are. A carriage return, at which some
programs begin another row, becomes a blank.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

BEGINS = r"=+\-@\t\n"
# Text that begins with apostrophes and then so gets one more, so that reading can take one away.
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


def plain(value: Any) -> Any:
    """A value read from such a file: text without the apostrophe that `write_csv` puts before it."""
    return value[1:] if isinstance(value, str) and _KEPT.match(value) else value
