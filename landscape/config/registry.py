"""Looking a name up in an axis' table: an unknown one is answered with the known ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from landscape.config.errors import UserError

T = TypeVar("T")


def lookup(key: str, given: str, table: Mapping[str, T]) -> T:
    """`table[given]`; raises `UserError` that names `key`, what was given and what is legal."""
    if given not in table:
        raise UserError(f"{key}={given} is not known; legal: {', '.join(sorted(table))}")
    return table[given]
