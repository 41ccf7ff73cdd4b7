"""Reads a sweep back from the store as a plan, without composing it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landscape.config.errors import CorruptFile, UserError
from landscape.store import RunFolder, Store
from landscape.store.protocols import EvalRequest
from sweeps.console import tell
from sweeps.planning.config_groups import NOT_SWEPT
from sweeps.planning.plan import Plan, Planned

HOW = (*NOT_SWEPT, "metrics")  # overrides that are not part of a label


def stored_run(run: RunFolder, execution: Mapping[str, Any]) -> Planned:
    """A frozen run as a planned one, to be executed as `execution` says; raises `CorruptFile`, `FileNotFoundError`."""
    config = {**run.config(), **execution}
    config["train"].setdefault("world_size", 1)  # runs frozen by older versions lack these keys
    config.setdefault("launcher", {}).setdefault("warm", None)
    own = EvalRequest.of(config)
    asked = [] if own is None else [own]
    asked += run.asked()
    overrides = [text for text in run.meta().overrides if text.partition("=")[0].partition(".")[0] not in HOW]
    return Planned(run.id, config, [run.id, *overrides], [], asked, run.status().state)


def stored_plan(store: Store, ids: Iterable[str], execution: Mapping[str, Any]) -> Plan:
    """These runs as a plan, to be executed as `execution` says. Unreadable runs are logged and left out.

    Raises `UserError` if none is left.
    """
    runs, wrong = [], []
    for one in ids:
        try:
            runs.append(stored_run(store.run(one), execution))
        except (CorruptFile, FileNotFoundError) as e:
            wrong.append(f"{e}; repair it or move its folder away")
    if not runs:
        raise UserError("\n".join(wrong))
    for sentence in wrong:
        tell(sentence)
    for planned in runs:
        planned.config["store"] = str(store.root)  # the store may have been moved
    return Plan([], runs)
