"""Records: frozen dataclasses that declare, check, read and write the content of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from landscape.config.errors import CorruptFile
from landscape.store.atomic_io import SMALL, parse_json, read_bounded
from landscape.store.formats import Check, Kind, listed, or_null


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base class of records. A field is a key of the file; `more` keeps unknown keys, such as those of a later version.

    A field without a default is a required key. A field at its default is written only if `holds` says "always". Null
    is accepted for a field whose default is None.
    """

    LIMIT: ClassVar[int] = SMALL  # limit of the file, in bytes
    ALSO: ClassVar[Mapping[str, Check]] = {}  # checks of some keys of `more`

    more: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, value: Any, where: object) -> Self:
        """The record of a parsed value. Raises `CorruptFile`, which names `where`."""
        return cls._of(kind(cls).checked(value, where))

    @classmethod
    def _of(cls, checked: Mapping[str, Any]) -> Self:
        more, known = dict(checked), dict[str, Any]()
        for one in _layout(cls).keys:
            found = more.pop(one.key, None)
            if found is not None:
                known[one.name] = one.load(found)
        return cls(**known, more=more)

    def to_json(self) -> dict[str, Any]:
        """The value to write. Raises `ValueError` if it could not be read again."""
        made = self.unchecked()
        wrong = kind(type(self)).wrong(made)
        if wrong is not None:
            raise ValueError(f"a record to be written {wrong}")
        return made

    def unchecked(self) -> dict[str, Any]:
        """As `to_json`, without the check."""
        values = ((one, getattr(self, one.name)) for one in _layout(type(self)).keys)
        return {one.key: one.dump(value) for one, value in values if one.always or value != one.default} | {**self.more}


class _Key(NamedTuple):
    name: str
    key: str
    check: Check
    default: Any  # `MISSING` for a required key
    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]
    always: bool


def _same(value: Any) -> Any:
    return value


def holds(
    check: Check,
    key: str | None = None,
    load: Callable[[Any], Any] = _same,
    dump: Callable[[Any], Any] = _same,
    always: bool = False,
) -> dict[str, Any]:
    """Metadata of a field: its check, its key if that differs from the name, and conversions."""
    return {"check": check, "key": key, "load": load, "dump": dump, "always": always}


def one_record(of: type[Record], key: str | None = None) -> dict[str, Any]:
    """Metadata of a field that is a record."""
    return holds(kind(of), key, of._of, of.to_json)


def records(of: type[Record], always: bool = False) -> dict[str, Any]:
    """Metadata of a field that is a tuple of records."""

    def load(found: list[Any]) -> tuple[Record, ...]:
        return tuple(map(of._of, found))

    def dump(kept: tuple[Record, ...]) -> list[dict[str, Any]]:
        return [one.to_json() for one in kept]

    return holds(listed(kind(of)), None, load, dump, always)


class _Layout(NamedTuple):
    keys: tuple[_Key, ...]
    kind: Kind


_LAYOUTS: dict[type[Any], _Layout] = {}


def _layout(of: type[Record]) -> _Layout:
    """The keys of a record class, and the check of its mapping; computed once."""
    if of not in _LAYOUTS:
        keys = []
        for one in fields(of):
            if one.metadata:
                default = one.default if one.default_factory is MISSING else one.default_factory()
                how = one.metadata
                check = or_null(how["check"]) if default is None else how["check"]
                key = how["key"] or one.name
                keys.append(_Key(one.name, key, check, default, how["load"], how["dump"], how["always"]))
        must = {one.key: one.check for one in keys if one.default is MISSING}
        may = {one.key: one.check for one in keys if one.default is not MISSING}
        _LAYOUTS[of] = _Layout(tuple(keys), Kind(must, {**may, **of.ALSO}, of.LIMIT))
    return _LAYOUTS[of]


def kind(of: type[Record]) -> Kind:
    """The check of a mapping for this record class."""
    return _layout(of).kind


R = TypeVar("R", bound=Record)


def read(of: type[R], file: Path, within: Sequence[Path]) -> R:
    """The record in a JSON file. Raises `CorruptFile` or `FileNotFoundError`."""
    return parsed(of, read_bounded(file, of.LIMIT, within), file)


def parsed(of: type[R], data: bytes, file: str | Path) -> R:
    """The record in the text of a JSON file. Raises `CorruptFile`."""
    try:
        value = parse_json(data)
    except ValueError as e:
        raise CorruptFile(f"{file} is not valid JSON ({e})") from e
    return of.from_json(value, file)


def read_lines(of: type[R], file: Path, within: Sequence[Path]) -> list[R]:
    """The records in the lines of a file; empty if there is no file. An incomplete last line is ignored.

    Raises `CorruptFile` with the number of the first invalid line.
    """
    try:
        data = read_bounded(file, of.LIMIT, within)
    except FileNotFoundError:
        return []
    found = []
    whole = data.split(b"\n")[:-1]  # text after the last line break is incomplete or empty
    for number, line in enumerate(whole, 1):
        try:
            value = parse_json(line)
        except ValueError as e:
            raise CorruptFile(f"{file} line {number} is not a valid row ({e})") from e
        found.append(of.from_json(value, f"{file} line {number}"))
    return found
