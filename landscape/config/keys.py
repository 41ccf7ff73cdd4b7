"""The configuration's keys by dotted name: help, legal range, type, and which are choices. No torch."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import NamedTuple, get_type_hints

from landscape.config import axes
from landscape.config.schema import Schema
from landscape.ranges import Legal

# The keys by which a choice names its function: choosing sets them, together with all that they need.
SELECTORS = {f"{group}.kind": group for group in ("launcher", "logger", "search")} | axes.SELECTORS
SELECTORS |= {"reg.norm": "norm"}
# What is made of a choice or of files at planning, and cannot be given.
NOT_GIVEN = (*SELECTORS, "data.content", "metrics.weights_sha256")


class Key(NamedTuple):
    """A key of the configuration, as help and checks see it."""

    help: str  # a line
    range: Legal | None  # of a value that is not null; None: anything of its type
    type: str  # as annotated


@cache
def keys() -> dict[str, Key]:
    """Every key of `Schema` by its dotted name, in its order."""
    return dict(_keys(Schema, "", None))


def _keys(group: type, prefix: str, ends: Legal | None) -> list[tuple[str, Key]]:
    """The keys of a group; `ends` is the range that numbers of a `Range` have of the field that holds it."""
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
