"""Runs that were trained before a choice changed its meaning: kept, known, trained anew, never mixed with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import TINY, frozen_runs

from landscape import sample
from landscape.config.errors import UserError
from landscape.config.identity import run_id
from landscape.runtime.worker import work
from landscape.store import DONE, FAILED, PLANNED, RunFolder, Store
from sweeps.cli.evaluate import make_scoring, parse_arguments
from sweeps.planning.describe import describe
from sweeps.planning.needs import survey
from sweeps.planning.plan import TRAIN, make_plan

SPECTRAL = (*TINY, "arch.g_spectral=true", "metrics=none")


def as_of_old(run: RunFolder) -> RunFolder:
    """The run's folder under the id that its configuration had before the newest change."""
    old = run.path.with_name(run_id(run.config(), before=1))
    run.path.rename(old)
    return RunFolder(old)


def test_its_command_trains_it_anew_and_the_plan_says_so(store: Store) -> None:
    old = as_of_old(*frozen_runs(store, *SPECTRAL))
    old.write_status(replace(old.status(), state=DONE))
    plan = make_plan([*SPECTRAL, "seed=0,1", f"store={store.root}"], multirun=True)
    survey(plan)
    assert [(run.state, run.need) for run in plan.runs] == [("new", TRAIN)] * 2
    (said,) = [line for line in describe(plan) if "2026-11-25" in line]
    assert said.startswith("1 run in the store trained before") and "arch.g_spectral" in said
    plain = make_plan([*TINY, f"store={store.root}"], multirun=True)
    survey(plain)
    assert not any("2026" in line for line in describe(plain))


@pytest.mark.parametrize("status", [PLANNED, DONE])
def test_no_worker_trains_or_scores_it_as_what_it_is_not(store: Store, status: str) -> None:
    old = as_of_old(*frozen_runs(store, *SPECTRAL))
    old.write_status(replace(old.status(), state=status))
    assert work(store, old.id, lambda text: None) == FAILED
    found = old.status()
    assert found.state == (FAILED if status == PLANNED else DONE) and found.reason is not None
    assert "predates a change of arch.g_spectral" in found.reason and "under a new id" in found.reason


def test_nothing_is_drawn_from_it_or_scored_again(store: Store, tmp_path: Path) -> None:
    old = as_of_old(*frozen_runs(store, *SPECTRAL))
    old.write_status(replace(old.status(), state=DONE))
    old.weights.parent.mkdir(exist_ok=True)
    old.weights.touch()
    request = sample.read_request([f"run={old.id}", f"store={store.root}", f"out={tmp_path / 'out'}"])
    for refused in (
        lambda: sample.draw_samples(request),
        lambda: make_scoring(parse_arguments([f"store={store.root}", f"run={old.id}", "metrics=classifier"])),
    ):
        with pytest.raises(UserError, match=r"predates a change of arch\.g_spectral"):
            refused()
