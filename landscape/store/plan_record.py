"""`plan.json`: what a sweep is, which nothing of a run depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from landscape.store.formats import EXECUTION, LAUNCHER, STAGES, ident, listed, one_of, or_null, text
from landscape.store.record import Record, holds, one_record
from landscape.store.run_meta import Code


@dataclass(frozen=True, kw_only=True)
class PlanRecord(Record):
    """The runs of a sweep, and the newest command that planned them."""

    LIMIT: ClassVar[int] = 256 << 20

    command: Sequence[str] = field(metadata=holds(listed(text)))
    study: str | None = field(default=None, metadata=holds(text, always=True))
    stage: str = field(default="all", metadata=holds(one_of(*STAGES), always=True))
    made: str | None = field(default=None, metadata=holds(text, always=True))
    code: Code | None = field(default=None, metadata=one_record(Code))
    # Sections of the configuration, as the command has them.
    launcher: Mapping[str, Any] | None = field(default=None, metadata=holds(LAUNCHER, always=True))
    execution: Mapping[str, Any] = field(default_factory=dict, metadata=holds(or_null(EXECUTION), always=True))
    runs: Sequence[str] = field(metadata=holds(listed(ident)))
