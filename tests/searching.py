"""What tests of searches share: a plan with its searches in a store, working them off in this process, the record."""

from __future__ import annotations

from typing import Any

import torch
from support import TINY

from landscape import checkpoint
from landscape.store import RunFolder, Store
from sweeps.plan import Plan, freeze, make_plan, survey
from sweeps.record import read_rows
from sweeps.searcher import Searcher


def planned(store: Store, *overrides: str, base: tuple[str, ...] = TINY) -> Plan:
    """A plan with its searches, frozen into the store; nothing of it is trained."""
    plan = make_plan([*base, *overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    freeze(plan)
    return plan


def search_here(store: Store, plan: Plan) -> int:
    """Work a plan's searches off in this process."""
    with Searcher(store, plan.name, None, {}, lambda text: None) as worker:
        return worker.work()


def trials(store: Store, plan: Plan) -> list[dict[str, Any]]:
    return [r for r in read_rows(store, plan.name) if r["stage"] == "search"]


def equal_weights(a: RunFolder, b: RunFolder) -> bool:
    left, right = (checkpoint.load(run.weights) for run in (a, b))
    return all(torch.equal(left[net][k], right[net][k]) for net in ("g", "d") for k in left[net])
