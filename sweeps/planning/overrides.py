"""Parses a command's overrides with Hydra's parser into fixed settings and axes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, OverrideType, RangeSweep

from landscape.config.errors import UserError, nearest
from landscape.config.keys import SELECTORS, keys
from landscape.config.validation import unknown_key
from sweeps.planning.config_groups import NOT_SWEPT, groups, leaves, primary, read_choice
from sweeps.planning.hydra_errors import refused, sentence, shortened


class Setting(NamedTuple):
    """Keys that are set together: as typed, as Hydra's overrides, choices by group, values by dotted key."""

    texts: tuple[str, ...]
    overrides: tuple[str, ...]
    choices: dict[str, str]
    values: dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """One axis of a grid: the settings of one key, or a study's joint settings of several keys."""

    key: str
    settings: list[Setting]


@dataclass(frozen=True)
class Command:
    """The parsed overrides of a command, including those of its study."""

    fixed: list[Setting]
    axes: list[Axis]
    study: str | None = None
    exclude: list[dict[str, Any]] = field(default_factory=list)


def parse(overrides: list[str], multirun: bool) -> Command:
    """Parse overrides; must be called while Hydra is initialized (globs need its choices).

    Raises `UserError` for syntax errors, unknown keys and choices, a group given twice, several values without `-m`,
    and features of Hydra that are not supported here.
    """
    study, rest = _take_study(overrides)
    content: dict[str, Any] = {}
    given = {_key(text) for text in rest}
    if study is not None:
        content = read_choice("study", study)
        rest = [text for text in content.get("overrides", []) if _key(text) not in given] + rest
        multirun = True
    parsed: dict[tuple[str, bool], Override] = {}
    for override in _parse(rest):
        key = override.key_or_group
        _check_key(override)
        chooses = key in groups() and not isinstance(override.value(), dict)
        if chooses and (key, True) in parsed:
            raise UserError(f"{key} is given twice; give all its choices once, as in {key}=a,b")
        parsed[key, chooses] = override  # the last value of a key counts, as in Hydra
    _check_length(parsed, [len(points) for points in content.get("together", [])])
    fixed, axes = [], []
    for (key, _), override in parsed.items():
        if not override.is_sweep_override():
            fixed.append(_setting(key, override.input_line or "", override.value()))
            continue
        if not multirun:
            line = shortened(override.input_line or key)
            raise UserError(f"{line} has several values: add -m (--multirun) for a run per value")
        axes.append(_axis(override))
    axes += [_together(points, given) for points in content.get("together", [])]
    exclude = list(content.get("exclude", []))
    for key in {key for pattern in exclude for key in pattern}:
        if key not in groups() and key not in keys():
            raise UserError(
                f"study={study} excludes by {key}, which is not a configuration key{nearest(key, sorted(keys()))}"
            )
    return Command(fixed, axes, study, exclude)


def _key(text: str) -> str:
    return text.partition("=")[0]


def _take_study(overrides: list[str]) -> tuple[str | None, list[str]]:
    names = [text.partition("=")[2] for text in overrides if _key(text) == "study"]
    if not names or names == ["null"]:
        return None, [text for text in overrides if _key(text) != "study"]
    if len(names) > 1 or "," in names[0]:
        raise UserError("only one study can be given: study=NAME")
    _check_choice("study", names[0])
    return names[0], [text for text in overrides if _key(text) != "study"]


def _parse(texts: list[str]) -> list[Override]:
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    found = []
    for text in texts:
        if text.startswith("-"):
            raise UserError(f"{text} is not a flag of this program; see --help")
        if any(
            unicodedata.category(c) in ("Cc", "Cs") for c in text if c not in "\t\n"
        ):  # Cs: bytes that are not UTF-8
            raise UserError(
                f"{shortened(ascii(text))} is not a valid override: it contains control characters or invalid UTF-8"
            )
        try:
            found += parser.parse_overrides([text])
        except Exception as e:  # from the grammar and the functions it calls
            if "://" in text:  # Hydra's message quotes parts of it
                raise UserError(
                    f"the value of {_key(text)} is not valid (not shown, as a URL may hold a password); quote "
                    f"it: {_key(text)}=\"'...'\""
                ) from None
            reason = sentence(e).split("; ")[-1] if "\n" in str(e) else sentence(e)
            raise UserError(
                f"'{shortened(text)}' is not a valid override ({reason}); write KEY=VALUE or GROUP=CHOICE, "
                "and quote a value with special characters: KEY=\"'...'\""
            ) from e
    return found


# Keys of Hydra's submitit launcher -> their names here.
OF_SUBMITIT = {
    "timeout_min": "time",
    "mem_gb": "memory",
    "cpus_per_task": "cores",
    "gpus_per_node": "gpus",
    "array_parallelism": "parallel",
    "signal_delay_s": "signal_s",
    "additional_parameters": "extra",
}


def _check_key(override: Override) -> None:
    key, line = override.key_or_group, shortened(override.input_line or override.key_or_group)
    if key == "hydra/launcher":
        same = str(override.value()).removeprefix("submitit_")  # the plug-in's name of a launcher that exists here
        choices = [same] if same in groups()["launcher"] else groups()["launcher"]
        raise UserError(f"hydra/launcher is not used here; choose launcher={' or launcher='.join(choices)}")
    if key.startswith("hydra.launcher."):
        name = key.removeprefix("hydra.launcher.")
        raise UserError(f"{key} is not used here; write launcher.{OF_SUBMITIT.get(name, name)}=...")
    if key.startswith(("hydra.", "hydra/")):
        raise UserError(f"{key} is not used here: runs are laid out in the store (store=FOLDER), not by Hydra")
    if override.package is not None:
        raise UserError(f"{line}: moving a group to another package is not supported")
    if override.type is not OverrideType.CHANGE:
        raise UserError(f"{line}: adding and removing keys is not supported; write {key}=VALUE")
    if key == "data.content":
        raise UserError("data.content is computed from the data and cannot be given")
    if key.startswith("study."):
        raise UserError(f"{key} belongs to a study's file; choose one with study=NAME")
    _refuse_selectors([key])
    known = sorted(keys())
    if key not in groups() and key not in known and not any(k.startswith(key + ".") for k in known):
        raise unknown_key(key, known + list(groups()))
    optional = key.startswith("search.space.") and override.value() is None
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    whole = all(isinstance(one, dict) for one in values)  # values for the group's keys
    if key not in groups() and key not in known and not whole and not optional:
        first = next(k for k in known if k.startswith(key + "."))
        raise UserError(f"{line}: {key} holds several keys; set them by name, as in {first}=VALUE")


def _refuse_selectors(given: Iterable[str]) -> None:
    for key in given:
        if key in SELECTORS:
            raise UserError(
                f"{key} cannot be set directly; choose {SELECTORS[key]}=NAME ({', '.join(groups()[SELECTORS[key]])})"
            )


def _check_choice(group: str, choice: Any) -> None:
    legal = groups().get(group)
    if legal is None or isinstance(choice, dict) or (choice is None and group == "norm"):
        return  # not a group, values for a group's keys (the schema checks them), or norm=null
    if choice not in legal:
        if group == "metrics":  # perhaps a score: suggest the choices that have it
            bring = [name for name in legal if choice in (read_choice(group, name).get("scores") or ())]
            if bring:
                names = " and ".join(f"metrics={name}" for name in bring)
                raise UserError(f"metrics={choice} is not known: {choice} is a score, which {names} include")
        raise UserError(
            f"{shortened(f'{group}={choice}')} is not known{nearest(str(choice), legal)}; legal: {', '.join(legal)}"
        )


def _setting(key: str, text: str, value: Any) -> Setting:
    """The setting of one override: a choice for a group, or a value or dictionary of values for keys."""
    _check_choice(key, value)
    if isinstance(value, dict):
        values = {".".join(path): v for path, v in leaves({key: value}).items()}
        _refuse_selectors(values)
        return Setting((text,), (text,), {}, values)
    if key not in groups():
        return Setting((text,), (text,), {}, {key: value})
    if value is None:  # norm=null
        return Setting((text,), (), {}, {})
    return Setting((text,), (text,), {key: str(value)}, {})


def _check_length(parsed: dict[tuple[str, bool], Override], joint: list[int]) -> None:
    """Raise `UserError` for a grid of more than `max_points` points, before its ranges are expanded."""
    limit = primary()[1]["max_points",]
    if ("max_points", False) in parsed:
        limit = parsed["max_points", False].value()
    if type(limit) is not int or limit < 1:
        raise UserError(f"max_points={limit} is out of range; legal: a whole number, 1 or more")
    lengths = [_length(override) for override in parsed.values() if override.is_sweep_override()]
    points = math.prod([*lengths, *joint])
    if points > limit:
        count = f"{points:,}" if points < 10**15 else f"more than {10**15:,}"
        raise UserError(
            f"the grid has {count} points, and the limit is max_points={limit:,}; "
            "give fewer values, or raise the limit with max_points=N"
        )


def _length(override: Override) -> int:
    """The number of values of an axis, without expanding ranges. Globs count as one."""
    value = override.value()
    if not isinstance(value, RangeSweep):
        return len(getattr(value, "list", None) or [value])
    ends = (value.start, value.stop, value.step)
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in ends) or not value.step:
        raise UserError(
            f"{override.input_line}: a range goes from one number to another by steps that are not 0, "
            "as in range(0,10,2)"
        )
    start, stop, step = (Fraction(end) for end in ends if end is not None)
    return max(0, math.ceil((stop - start) / step))


def _axis(override: Override) -> Axis:
    key, line = override.key_or_group, shortened(override.input_line or override.key_or_group)
    if override.is_interval_sweep():
        raise UserError(f"{line}: an interval has no separate values; list them, or use range(...) or glob(...)")
    with refused(line):
        texts = list(override.sweep_string_iterator())
    if not texts:
        raise UserError(f"{line} has no values")
    if len(set(texts)) < len(texts):
        raise UserError(f"{line} has a value twice")
    if key.partition(".")[0] in NOT_SWEPT:
        raise UserError(f"{line}: {key} cannot be varied in a grid; give it one value")
    parser = OverridesParser.create()
    settings = []
    for text in texts:
        with refused(line):
            value = parser.parse_override(f"{key}={text}").value()
        settings.append(_setting(key, f"{key}={text}", value))
    return Axis(key, settings)


def _together(points: list[dict[str, Any]], given: set[str]) -> Axis:
    """A study's joint axis: each point sets several keys at once, except for those given on the command line."""
    settings = []
    for point in points:
        parts = [_setting(k, f"{k}={v}", v) for k, v in point.items() if k not in given]
        choices = {k: v for part in parts for k, v in part.choices.items()}
        values = {k: v for part in parts for k, v in part.values.items()}
        overrides = tuple(text for part in parts for text in part.overrides)
        texts = tuple(text for part in parts for text in part.texts)
        settings.append(Setting(texts, overrides, choices, values))
    return Axis("+".join(points[0]), settings)
