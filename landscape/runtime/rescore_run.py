"""Scoring of a finished run from its saved weights."""

from __future__ import annotations

import traceback

from landscape.data import Dataset
from landscape.runtime.claimed_run import ClaimedRun
from landscape.training import checkpoint
from landscape.training.state import Clocks, new_state


def rescore_run(work: ClaimedRun, data: Dataset) -> None:
    """Compute the scores of every request that is not complete."""
    cfg, writer = work.cfg, work.writer
    asked = [work.own] if work.own is not None and work.own.missing(writer.status) else []
    asked += work.run.pending_requests()
    if not asked:
        return
    state = new_state(cfg, data, work.device)
    kept = checkpoint.load(work.run.weights, work.device)
    state.load_weights(kept)
    rows = work.run.rows()
    unmet: dict[str, str] = {}
    for one in asked:
        try:
            scorer = work.scorer(one, data)
        except Exception as e:  # a failed request must not prevent the others
            work.say(traceback.format_exc().rstrip())
            unmet[one.id] = f"{type(e).__name__}: {e}"[:500]
            continue
        status = writer.status
        clocks = Clocks(status.train_s or 0.0, status.eval_s or 0.0, status.train_busy_s, status.eval_busy_s)
        scores = work.score(scorer, state, kept["step"], clocks)
        g_step = rows[-1].g_step if rows else None
        if g_step is None:
            g_step = 1 + (cfg.train.steps - 1) // cfg.optim.n_dis
        work.put_row(scorer, kept["step"], g_step, clocks, scores, {})
        work.mark_scored(one)
    writer.write(unmet=unmet, reason=None)
