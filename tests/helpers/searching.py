"""What tests of searches share: a plan with its searches in a store, working them off in this process, the record."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from optuna.storages import BaseStorage, InMemoryStorage
from support import TINY

from landscape.store import RunFolder, Store
from landscape.store.searches import SearchSpec
from landscape.store.trials import read_rows
from landscape.training import checkpoint
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, make_plan
from sweeps.search.trial_queue import TrialQueue
from sweeps.search.worker import SearchWorker


def planned(store: Store, *overrides: str, base: tuple[str, ...] = TINY) -> Plan:
    """A plan with its searches, frozen into the store; nothing of it is trained."""
    plan = make_plan([*base, *overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    freeze(plan)
    return plan


def search_here(store: Store, plan: Plan) -> int:
    """Work a plan's searches off in this process."""
    with SearchWorker(store, plan.name, None, {}, lambda text: None) as worker:
        return worker.work()


def trials(store: Store, plan: Plan) -> list[dict[str, Any]]:
    return [r.to_json() for r in read_rows(store, plan.name) if r.stage == "search"]


def equal_weights(a: RunFolder, b: RunFolder) -> bool:
    left, right = (checkpoint.load(run.weights) for run in (a, b))
    return all(torch.equal(left[net][k], right[net][k]) for net in ("g", "d") for k in left[net])


def cell(*overrides: str, **changes: Any) -> SearchSpec:
    """The search of one cell."""
    (search,) = make_plan(["search=random", *overrides], multirun=False).searches
    return replace(search, **changes)


def nobody_is_lost(params: Any, owner: Any) -> bool:
    return False


def ledger(search: SearchSpec, folder: Path, open_it: Callable[[], BaseStorage] = InMemoryStorage) -> TrialQueue:
    return TrialQueue(search, open_it, "token", folder / "lock")


def bowl(params: dict[str, float]) -> float:
    """A test function with its least value, 0, at lr=10^-3.5 and beta1=0.3."""
    return (math.log10(params["lr"]) + 3.5) ** 2 + 4 * (params["beta1"] - 0.3) ** 2
