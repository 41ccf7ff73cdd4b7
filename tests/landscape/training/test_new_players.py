"""Runs with a lens, of batches and with a clamped G as a user has them: resumed, diverged, scored, in the report."""

from __future__ import annotations

from typing import Any

import pytest
from resuming import resumed, rows, two
from support import TINY, frozen_runs

from analysis.report import make_report
from landscape.runtime.worker import work
from landscape.store import DIVERGED, DONE, Store

CHOICES = {
    "lens": ("lens=tempered", "lens.steps=9", "lens.width=0.25", "train.noise_std=0.1"),
    "mixed": ("loss=bgan", "arch.symmetric=true", "norm=sn"),
    "discrimination": ("arch.minibatch=discrimination", "reg=gp"),
    "packs": ("arch.pack=2", "arch.minibatch=stddev", "optim.n_dis=2"),
    "clamp": ("reg_g=clamp", "reg_g.per=batch"),
}
LOGGED = {"lens": {"lens_weight", "loss_lens"}, "clamp": {"q_mean", "q_outside"}}


@pytest.mark.parametrize("name", CHOICES)
def test_a_stopped_run_goes_on_to_the_same_bits_and_rows(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at step 5 of 12: in the middle of the lens's schedule."""
    disturbed, quiet = two(store, *CHOICES[name])
    resumed(disturbed, quiet, store, monkeypatch)
    assert LOGGED.get(name, set()) <= rows(quiet)[-1].keys()
    if name == "lens":  # in the middle, then out
        assert rows(quiet)[1]["loss_lens"] is not None and rows(quiet)[-1]["loss_lens"] is None


@pytest.mark.parametrize("given", [("lens=tempered", "lens.lr=1e30"), ("reg_g=clamp", "optim.lr_g=1e30")], ids=str)
def test_one_that_diverges_is_said_to(store: Store, given: tuple[str, ...]) -> None:
    (run,) = frozen_runs(store, *TINY, *given)
    assert work(store, run.id, lambda text: None) == DIVERGED
    assert "not finite" in (run.status().reason or "")


def test_d_is_asked_about_whole_batches_where_it_sees_such(store: Store) -> None:
    """64 samples in batches of 16, packs of 2; batches of 50 of 64 samples are one batch."""
    for given in (("arch.pack=2",), ("loss=mbgan", "arch.symmetric=true", "train.batch_size=50")):
        (run,) = frozen_runs(store, *TINY, "metrics=diagnostics", "metrics.scores=[fid,d_accuracy]", *given)
        assert work(store, run.id, lambda text: None) == DONE
        assert 0 <= rows(run)[-1]["d_acc_test"] <= 1 and rows(run)[-1]["d_loss_test"] > 0
    few = ("metrics=diagnostics", "metrics.scores=[fid,d_accuracy]", "loss=mbgan", "arch.symmetric=true")
    (run,) = frozen_runs(store, *TINY, *few, "train.batch_size=100")
    assert work(store, run.id, lambda text: None) == DONE
    assert "D judges 100 images together" in str(run.rows()[-1].why)


@pytest.mark.slow
def test_they_are_cells_of_the_report(store: Store, tmp_path: Any) -> None:
    for given in CHOICES.values():
        for run in frozen_runs(
            store,
            *TINY,
            *given,
            "metrics=diagnostics",
            "metrics.scores=[fid,is,conditioning]",
            "metrics.jacobians=2",
            "metrics.every=6",
            "metrics.n_fake=64",
        ):
            assert work(store, run.id, lambda text: None) == DONE
    make_report(store, tmp_path / "report")
    cells = (tmp_path / "report" / "cells.csv").read_text()
    assert all(
        label in cells for label in ("NS W/O LENS", "BGAN SN SYM", "GP DISCRIMINATION", "STDDEV PACK 2 2", "CLAMP")
    )
    assert "-conditioning.png" in (tmp_path / "report" / "index.html").read_text()
