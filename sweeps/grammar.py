"""A command's overrides, read with Hydra's own parser: what is fixed and what is an axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from landscape.checks import unknown_key
from landscape.errors import UserError, nearest
from sweeps.choices import groups, keys, read_choice


@dataclass(frozen=True)
class Axis:
    """One key and its values as override strings; for a configuration key also as parsed values."""

    key: str
    texts: list[str]
    values: list[Any]

    @property
    def is_group(self) -> bool:
        return self.key in groups()


@dataclass(frozen=True)
class Command:
    """The overrides of one command, a study's included."""

    fixed: list[str]
    axes: list[Axis]
    study: str | None = None
    exclude: list[dict[str, Any]] = field(default_factory=list)


def parse(overrides: list[str], multirun: bool) -> Command:
    """Read overrides; must be called while Hydra is initialized (globs ask it for choices).

    Raises `UserError` for what does not parse, unknown keys and choices, a group given twice, a comma without
    `-m`, and what Hydra would accept but this program does not do.
    """
    study, rest = _take_study(overrides)
    exclude: list[dict[str, Any]] = []
    if study is not None:
        content = read_choice("study", study)
        given = {_key(text) for text in rest}
        rest = [text for text in content.get("overrides", []) if _key(text) not in given] + rest
        exclude = list(content.get("exclude", []))
        multirun = True
    parsed: dict[str, Override] = {}
    for override in _parse(rest):
        key = override.key_or_group
        _check_key(override)
        if key in parsed and key in groups():
            raise UserError(f"{key} is given twice; give all its choices once, as in {key}=a,b")
        parsed[key] = override  # of a value given twice the last counts, as in Hydra
    fixed, axes = [], []
    for key, override in parsed.items():
        if not override.is_sweep_override():
            _check_choice(key, override.value())
            if key == "norm" and override.value() is None:
                continue
            fixed.append(override.input_line or "")
            continue
        if not multirun:
            raise UserError(f"{override.input_line} has several values: add -m (--multirun) to train them all")
        axes.append(_axis(override))
    return Command(fixed, axes, study, exclude)


def _key(text: str) -> str:
    return text.partition("=")[0]


def _take_study(overrides: list[str]) -> tuple[str | None, list[str]]:
    names = [text.partition("=")[2] for text in overrides if _key(text) == "study"]
    if not names or names == ["null"]:
        return None, [text for text in overrides if _key(text) != "study"]
    if len(names) > 1 or "," in names[0]:
        raise UserError("one study at a time: study=NAME")
    _check_choice("study", names[0])
    return names[0], [text for text in overrides if _key(text) != "study"]


def _parse(texts: list[str]) -> list[Override]:
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    found = []
    for text in texts:
        if text.startswith("-"):
            raise UserError(f"{text} is no flag of this program; see --help")
        try:
            found += parser.parse_overrides([text])
        except HydraException as e:
            reason = str(e).splitlines()[-1] if "\n" in str(e) else str(e)
            raise UserError(f"'{text}' is no override ({reason.strip()}); write KEY=VALUE or GROUP=CHOICE") from e
    return found


def _check_key(override: Override) -> None:
    key = override.key_or_group
    if key == "hydra/launcher":
        raise UserError(
            f"hydra/launcher is not used here; choose launcher={' or launcher='.join(groups()['launcher'])}"
        )
    if key.startswith(("hydra.", "hydra/")):
        raise UserError(f"{key} is not used here: runs are laid out in the store (store=FOLDER), not by Hydra")
    if override.package is not None:
        raise UserError(f"{override.input_line}: a group cannot be moved to another package here")
    if override.type is not OverrideType.CHANGE:
        raise UserError(f"{override.input_line}: keys are neither added nor removed here; write {key}=VALUE")
    if key == "data.content":
        raise UserError("data.content is computed from the data at planning and cannot be given")
    known = keys()
    if key not in groups() and key not in known and not any(k.startswith(key + ".") for k in known):
        raise unknown_key(key, known + list(groups()))


def _check_choice(group: str, choice: Any) -> None:
    legal = groups().get(group)
    if legal is None or isinstance(choice, dict) or (choice is None and group == "norm"):
        return  # no group, values for a whole group (the schema checks those), or the normalizer left unset
    if choice not in legal:
        raise UserError(f"{group}={choice} is not known{nearest(str(choice), legal)}; legal: {', '.join(legal)}")


def _axis(override: Override) -> Axis:
    key = override.key_or_group
    try:
        texts = list(override.sweep_string_iterator())
    except HydraException as e:
        raise UserError(f"{override.input_line}: {e}; list the values, or use range(...) or glob(...)") from e
    if not texts:
        raise UserError(f"{override.input_line} has no values")
    parser = OverridesParser.create()
    values = [parser.parse_override(f"{key}={text}").value() for text in texts]
    if key in groups():
        for value in values:
            _check_choice(key, value)
    if len(set(texts)) < len(texts):
        raise UserError(f"{override.input_line} names a value twice")
    return Axis(key, texts, values)
