"""Lookup of a name in a table, with an error that lists the legal names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from landscape.config.errors import UserError

T = TypeVar("T")


def lookup(key: str, given: str, table: Mapping[str, T]) -> T:
    """Returns `table[given]`. Raises `UserError` with `key`, the given name and the legal names."""
    if given not in table:
        raise UserError(f"{key}={given} is unknown; legal: {', '.join(sorted(table))}")
    return table[given]
