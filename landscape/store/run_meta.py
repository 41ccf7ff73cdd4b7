"""`meta.json`: what planned a run, from which code, and on which machines it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from landscape.store.formats import count, flag, ident, listed, mapped, number, or_null, scalar, text
from landscape.store.record import Record, holds, one_record, records


class Origin(StrEnum):
    """What planned a run."""

    COMMAND = "command"  # a command line, which is also recorded
    SEARCH = "search"  # a trial of a sweep's search


@dataclass(frozen=True, kw_only=True)
class RunOrigin(Record):
    """What planned a run, and the sampler if it was a search."""

    kind: str = field(metadata=holds(text))  # an `Origin`, or a value of a later version
    sampler: str | None = field(default=None, metadata=holds(text))


@dataclass(frozen=True, kw_only=True)
class Code(Record):
    """Version of the package and, in a checkout, its commit and whether there were local changes."""

    version: str | None = field(default=None, metadata=holds(scalar, always=True))
    commit: str | None = field(default=None, metadata=holds(scalar, always=True))
    dirty: bool | None = field(default=None, metadata=holds(flag, always=True))


@dataclass(frozen=True, kw_only=True)
class Machine(Record):
    """Facts about a machine that results or timings can depend on."""

    host: str | None = field(default=None, metadata=holds(scalar, always=True))
    cpu: str | None = field(default=None, metadata=holds(scalar, always=True))
    gpu: str | None = field(default=None, metadata=holds(scalar, always=True))
    device: str | None = field(default=None, metadata=holds(scalar, always=True))
    threads: int | None = field(default=None, metadata=holds(count, always=True))
    # Number of runs that share one GPU or core, as far as the launcher knows.
    sharing: int | None = field(default=None, metadata=holds(count, always=True))
    world_size: int | None = field(default=None, metadata=holds(count, always=True))
    device_batch_size: int | None = field(default=None, metadata=holds(count, always=True))
    precision: str | None = field(default=None, metadata=holds(scalar, always=True))
    code: Code | None = field(default=None, metadata=one_record(Code))
    packages: Mapping[str, Any] = field(default_factory=dict, metadata=holds(or_null(mapped())))


@dataclass(frozen=True, kw_only=True)
class Continued(Record):
    """The shorter run that a run continues, its D updates, and its seconds up to there, which the run's own include."""

    run: str = field(metadata=holds(ident))
    step: int = field(metadata=holds(count))
    train_s: float | None = field(default=None, metadata=holds(number))
    eval_s: float | None = field(default=None, metadata=holds(number))
    train_busy_s: float | None = field(default=None, metadata=holds(number))
    eval_busy_s: float | None = field(default=None, metadata=holds(number))


@dataclass(frozen=True, kw_only=True)
class RunMeta(Record):
    """Origin of a run and its machines, among them those of a shorter run that it continues."""

    overrides: Sequence[str] = field(default_factory=list, metadata=holds(or_null(listed(text)), always=True))
    origin: RunOrigin | None = field(default=None, metadata=one_record(RunOrigin))
    command: Sequence[str] | None = field(default=None, metadata=holds(listed(text), always=True))
    sweep: str | None = field(default=None, metadata=holds(text, always=True))
    planned: Code | None = field(default=None, metadata=one_record(Code))
    machines: tuple[Machine, ...] = field(default=(), metadata=records(Machine, always=True))
    continues: Continued | None = field(default=None, metadata=one_record(Continued))

    @classmethod
    def _of(cls, checked: Mapping[str, Any]) -> Self:
        meta = super()._of(checked)
        apart = [part for override in meta.overrides for part in _joint_settings(override)]
        return replace(meta, overrides=apart, origin=meta.origin or RunOrigin(kind=_of_old_command(meta.command or ())))

    @property
    def by_command(self) -> bool:
        """Whether a command line planned it."""
        return self.origin is not None and self.origin.kind == Origin.COMMAND


def _of_old_command(command: Sequence[str]) -> Origin:
    """The origin in older stores without `origin`: a trial has the command ["search=SAMPLER", "sweep=NAME"]."""
    return Origin.SEARCH if any(argument.startswith("sweep=") for argument in command) else Origin.COMMAND


def _joint_settings(override: str) -> list[str]:
    """Split an override of older stores, where joint settings ("a=1 b=2") are a single text."""
    parts = override.split(" ")
    return parts if all("=" in part for part in parts) else [override]
