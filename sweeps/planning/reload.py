"""A sweep read back from the store: its runs as a plan, nothing composed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landscape.config.errors import CorruptFile, UserError
from landscape.store import RunFolder, Store
from landscape.store.protocols import EvalRequest
from sweeps.console import tell
from sweeps.planning.config_groups import NO_AXES
from sweeps.planning.plan import Plan, Planned

HOW = (*NO_AXES, "metrics")  # keys of an override that do not tell one run from another


def stored_run(run: RunFolder, execution: Mapping[str, Any]) -> Planned:
    """A frozen run as its plan had it; raises `CorruptFile`, or `FileNotFoundError`."""
    config = {**run.config(), **execution}
    config["train"].setdefault("world_size", 1)  # of a run that was frozen before there were such keys
    config.setdefault("launcher", {}).setdefault("warm", None)
    own = EvalRequest.of(config)
    asked = [] if own is None else [own]
    asked += run.asked()
    overrides = [text for text in run.meta().overrides if text.partition("=")[0].partition(".")[0] not in HOW]
    return Planned(run.id, config, [run.id, *overrides], [], asked, run.status().state)


def stored_plan(store: Store, ids: Iterable[str], execution: Mapping[str, Any]) -> Plan:
    """These runs as a plan, without those that do not read, which are named; `execution` is how they are trained.

    Raises `UserError` where none is left.
    """
    runs, wrong = [], []
    for one in ids:
        try:
            runs.append(stored_run(store.run(one), execution))
        except (CorruptFile, FileNotFoundError) as e:
            wrong.append(f"{e}; mend it or move its folder away")
    if not runs:
        raise UserError("\n".join(wrong))
    for sentence in wrong:
        tell(sentence)
    for planned in runs:
        planned.config["store"] = str(store.root)  # it may have been moved since
    return Plan([], runs)
