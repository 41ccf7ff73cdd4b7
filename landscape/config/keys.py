"""Configuration keys by dotted name: help, legal range, type, and which are set by choices. No torch."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import NamedTuple, get_type_hints

from landscape.config import axes
from landscape.config.schema import Schema
from landscape.ranges import Legal

# Keys set by a choice, which name its implementation.
SELECTORS = {f"{group}.kind": group for group in ("launcher", "logger", "search")} | axes.SELECTORS
SELECTORS |= {"reg.norm": "norm"}
# Keys that planning sets and a user cannot.
NOT_GIVEN = (*SELECTORS, "data.content", "data.classes", "metrics.weights_sha256")


class Key(NamedTuple):
    """A configuration key, for help and checks."""

    help: str  # one line
    range: Legal | None  # legal values that are not null; None: any of its type
    type: str  # as annotated


@cache
def keys() -> dict[str, Key]:
    """Every dotted key of `Schema`, in declaration order."""
    return dict(_keys(Schema, "", None))


def _keys(group: type, prefix: str, ends: Legal | None) -> list[tuple[str, Key]]:
    """The keys of a group. `ends` is the range for numbers inside a `Range` field."""
    found, types = [], get_type_hints(group)
    for one in fields(group):
        name, kind = prefix + one.name, types[one.name]
        inner = next((part for part in (kind, *getattr(kind, "__args__", ())) if is_dataclass(part)), None)
        if isinstance(inner, type):
            found += _keys(inner, f"{name}.", one.metadata.get("range"))
        else:
            own = one.metadata["range"] or (ends if kind is float else None)
            found.append((name, Key(one.metadata["help"], own, str(one.type))))
    return found
