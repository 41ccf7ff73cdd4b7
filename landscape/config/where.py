"""The filter language of `--where` in every command: `loss=ns,wgan`, `reg=gp`, `lr=1e-4`. No torch.

A condition is `KEY=VALUE[,VALUE ...]` and holds for runs with one of the values. All conditions must hold. A key is an
axis (`landscape.config.axes`), its group in `conf/`, `lr`, `status`, a configuration key (`optim.beta1`), or another
column of the command. Numbers are compared as numbers; `null` is a missing value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

from landscape.config.axes import AXES, BY_NAME
from landscape.config.conf_dir import conf_dir
from landscape.config.errors import UserError, nearest

HELP = (
    "only runs that match all conditions on axes, status or configuration keys (loss=ns,wgan reg=gp lr=1e-4 "
    "status=done)"
)
METAVAR = "KEY=VALUE[,VALUE]"
SHOWN = 12  # values shown in an error

Column = Callable[[str], Sequence[Any]]


class Condition(NamedTuple):
    """A condition: its text, its key, and the values it allows."""

    text: str
    key: str
    values: tuple[str, ...]


def _regularization(penalty: Any, norm: Any) -> Any:
    """The value of `reg`: the penalty, else the normalizer."""
    return penalty if penalty != BY_NAME["penalty"].plain else norm


def _rate(d: Any, g: Any) -> Any:
    return d if d == g else f"{_spelled(d)}/{_spelled(g)}"


# Keys derived from other columns.
DERIVED: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "reg": (("penalty", "norm"), _regularization),
    "lr": (("lr_d", "lr_g"), _rate),
    "state": (("status",), lambda status: status),
}


def filter_mask(
    texts: Iterable[str],
    column: Column,
    count: int,
    columns: Collection[str] = ("id", "status"),
    legal: Mapping[str, Collection[str]] | None = None,
) -> list[bool]:
    """For each of `count` runs, whether it meets all conditions.

    `column(key)` returns the values of all runs for an axis, one of `columns`, or a dotted configuration key. `legal`
    lists values by key that are accepted even if no run has them. Raises `UserError` for a malformed condition, an
    unknown key, a value that no run has, and conditions that no run meets together.
    """
    conditions = [_parse(text, columns) for text in texts]
    met = [True] * count
    for condition in conditions:
        values = _values(condition.key, column)
        _check_values(condition, values, (legal or {}).get(condition.key, ()))
        met = [before and _meets(value, condition.values) for before, value in zip(met, values, strict=True)]
    if conditions and count and not any(met):
        raise UserError("no run meets all of " + ", ".join(f"--where {condition.text}" for condition in conditions))
    return met


def keys(columns: Collection[str] = ()) -> list[str]:
    """Keys of conditions except configuration keys, axes first."""
    return list(dict.fromkeys([*BY_NAME, *(key for key in DERIVED if key != "state"), *columns]))


@cache
def config_keys() -> tuple[str, ...]:
    """Every dotted key of a run's configuration."""
    from landscape.config.keys import keys as all_keys
    from landscape.config.schema import Config

    parts = {field.name for field in fields(Config)}  # sweep-level keys are not part of a run
    return tuple(key for key in all_keys() if key.partition(".")[0] in parts)


def _parse(text: str, columns: Collection[str]) -> Condition:
    key, equals, given = text.partition("=")
    key, values = key.strip(), tuple(value.strip() for value in given.split(","))
    if not equals or not all(values):
        raise UserError(f"--where {text} is not a condition; write --where KEY=VALUE or --where KEY=VALUE,VALUE")
    legal = keys(columns)
    if key not in legal and key not in DERIVED and key not in config_keys():
        hint = nearest(key, config_keys() if "." in key else legal)
        raise UserError(
            f"--where {text}: unknown key {key}{hint}; legal: {', '.join(legal)}, and configuration keys such as "
            "optim.epsilon"
        )
    return Condition(text, "status" if key == "state" else key, values)


def _values(key: str, column: Column) -> Sequence[Any]:
    if key not in DERIVED:
        return column(key)
    names, made = DERIVED[key]
    return [made(*values) for values in zip(*(column(name) for name in names), strict=True)]


def _check_values(condition: Condition, values: Sequence[Any], legal: Collection[str]) -> None:
    """Raise `UserError` for a value that no run has.

    If another value of the condition matches some run, a number, choice or legal value that matches none is accepted.
    """
    missing = [text for text in condition.values if not any(_is(value, text) for value in values)]
    known = {*legal, *_choices(condition.key)}
    numbers = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    slips = [text for text in missing if text not in known and not (numbers and _number(text) is not None)]
    if not slips and len(missing) < len(condition.values):
        return
    there = {_spelled(value): _order(value) for value in values if not _is_null(value)}
    told = sorted(there, key=there.__getitem__)
    shown = ", ".join(told[:SHOWN]) + ", ..." * (len(told) > SHOWN) or "null"
    text, hint = (slips or missing)[0], nearest(slips[0], [*told, *legal]) if slips else ""
    raise UserError(
        f"--where {condition.text}: no run has {condition.key}={text}{hint}; "
        + (f"legal: {', '.join(legal)}" if slips and legal else f"existing values: {shown}")
    )


@cache
def _choices(key: str) -> frozenset[str]:
    """Names of an axis's choices in `conf/`."""
    groups = {axis.group for axis in AXES if axis.group is not None and key in (axis.name, axis.group)}
    groups |= {"norm"} if key == "reg" else set()
    return frozenset(file.stem for group in groups for file in (conf_dir() / group).glob("*.yaml"))


def _meets(value: Any, wanted: Iterable[str]) -> bool:
    return any(_is(value, text) for text in wanted)


def _is(value: Any, text: str) -> bool:
    """Whether a run's value equals the typed one: 1e-3 is 0.001, true is True, null is missing."""
    if _is_null(value):
        return text == "null"
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, str):
        return value == text
    number = _number(text)
    return str(value) == text if number is None or isinstance(value, list) else bool(value == number)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value)


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, str(value)
