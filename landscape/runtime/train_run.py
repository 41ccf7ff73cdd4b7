"""Training a claimed run from its newest sound checkpoint: evaluations, checkpoints, stops and what is kept."""

from __future__ import annotations

import os
import time

from landscape.config.errors import ExitCode
from landscape.config.hardware import slow_bf16
from landscape.data import Dataset
from landscape.metrics.evaluator import Scorer, generate
from landscape.networks.latents import draw
from landscape.rng import stream
from landscape.runtime.claimed_run import EXECUTION, ClaimedRun
from landscape.runtime.rank_launcher import team, teammate
from landscape.store import DIVERGED, DONE, FAILED, PREEMPTED, RUNNING, STOPPED
from landscape.store.early_stopping import Stopped, may_stop, reason_to_stop
from landscape.store.run_status import EarlyStop
from landscape.training import checkpoint
from landscape.training.image_grid import how_many, save_samples
from landscape.training.loop import Diverged, train
from landscape.training.state import State, new_state


class Preempted(Exception):
    """Asked to stop: the checkpoint is written, the rest is for the next worker."""


class Training:
    """The training of one run by one worker."""

    def __init__(self, work: ClaimedRun, data: Dataset) -> None:
        self.work, self.data = work, data
        self.run, self.cfg, self.journal, self.stop = work.run, work.cfg, work.journal, work.stop
        self.scorer: Scorer | None = None
        self.saved_at = time.monotonic()

    def run_to_its_end(self) -> None:
        """Train until the last step, a divergence, a stop or a signal; the run's folder then tells which."""
        cfg, journal, work = self.cfg, self.journal, self.work
        journal.write(state=RUNNING, steps=cfg.train.steps, reason=None, errno=None)
        order = {key: work.frozen[key] for key in EXECUTION if key in work.frozen}
        slow = slow_bf16(cfg.train.precision, work.device.type == "cpu")
        if slow is not None:
            work.warn(slow)
        with team(work.world, work.device, teammate(work.store.root, self.run.id), order, self.abandon) as others:
            if work.own is not None:
                self.scorer = work.scorer(work.own, self.data)
            state = new_state(cfg, self.data, work.device)
            for text in state.algorithm.warnings(state, cfg):
                work.warn(text)
            self.resume(state)
            try:
                if state.step == 0 and state.rows == 0:
                    self.evaluate(state)
                others.meet(state.step, work.device)
                journal.pace.begin("training")
                train(state, cfg, self.after_step)
                status, reason = DONE, None
            except Diverged as e:
                work.say(f"diverged: {e}")
                status, reason = DIVERGED, str(e)
            except Stopped as e:
                work.say(f"stopped: {e}")
                status, reason = STOPPED, str(e)
                journal.note(stops=(*journal.status.stops, e.stop))  # kept when another sweep takes the run up again
            except Preempted:
                journal.write(state=PREEMPTED, step=state.step, **vars(state.clocks))
                return
            finally:
                journal.pace.begin(None)
        self.finish(state, status, reason)

    def finish(self, state: State, status: str, reason: str | None) -> None:
        """Keep what is kept of a run that has ended."""
        cfg, journal = self.cfg, self.journal
        if status == DIVERGED and self.scorer is not None:
            self.add_row(state, self.scorer, self.scorer.nothing(reason or ""))
        journal.check()
        self.run.checkpoints.mkdir(exist_ok=True)
        checkpoint.save(self.run.weights, state.weights())
        if cfg.checkpoint.keep == "all":
            checkpoint.save_generation(self.run, state.state_dict())
        journal.write(state=status, reason=reason, step=state.step, **vars(state.clocks))
        self.run.previous_checkpoint.unlink(missing_ok=True)
        if cfg.checkpoint.keep != "all" and status != STOPPED:  # which another sweep may want whole
            self.run.newest_checkpoint.unlink(missing_ok=True)
        clocks = f"{state.clocks.train_s:.1f} s training, {state.clocks.eval_s:.1f} s scoring"
        newest = ", ".join(f"{name} {value:.3g}" for name, value in losses(state).items() if value is not None)
        self.work.say(f"{status} at step {state.step}: {clocks}; {newest or 'no finite loss'}")

    def abandon(self, reason: str) -> None:
        """End this process over a lost rank, from a thread, while the main one cannot."""
        self.work.say(f"failed: {reason}")
        try:
            self.journal.write(state=FAILED, reason=reason)
            self.journal.claim.release()
        finally:
            os._exit(ExitCode.FAILED)

    def resume(self, state: State) -> None:
        """Put back the newest sound checkpoint, if any; cut rows past it and keep count of the seconds lost."""
        saved, damaged = checkpoint.load_newest(self.run, self.work.device)
        for sentence in damaged:
            self.work.say(sentence)
        if saved is not None:
            state.load_state_dict(saved)
            self.work.say(f"resuming at step {state.step}")
        cut = self.run.cut_rows(state.rows) if self.run.metrics_file.exists() else 0
        before = self.journal.status
        spent = (before.train_s or 0.0) + (before.eval_s or 0.0)
        lost = max(0.0, spent - state.clocks.train_s - state.clocks.eval_s)
        if cut or lost:
            self.work.say(f"{cut} rows and {lost:.1f} s past the checkpoint are done again")
        self.journal.write(step=state.step, wasted_s=before.wasted_s + lost, **vars(state.clocks))

    def after_step(self, state: State) -> None:
        """Between two steps: evaluate, then save, then stop, in that order, so that a checkpoint knows its rows."""
        cfg, last = self.cfg, state.step == self.cfg.train.steps
        self.journal.note(step=state.step, **vars(state.clocks))
        reason = None
        if last or (self.scorer is not None and cfg.metrics.every and state.step % cfg.metrics.every == 0):
            self.evaluate(state)
            reason = None if last else self.reason_to_stop()
        stopping = self.stop.signal is not None and not last
        if reason or stopping or time.monotonic() - self.saved_at >= cfg.checkpoint.every_s:
            self.journal.check()
            self.journal.pace.begin("saving")
            checkpoint.save_generation(self.run, state.state_dict())
            self.saved_at = time.monotonic()
        if reason:
            raise Stopped(reason)
        if stopping:
            self.work.say(f"asked to stop; saved at step {state.step}")
            raise Preempted
        self.journal.pace.begin("training")

    def reason_to_stop(self) -> EarlyStop | None:
        """Why the run should end with the evaluation just made, by the rules or by whoever watches; else None."""
        watch = self.work.watch
        if self.scorer is None or not (watch or may_stop(self.cfg.stop)):
            return None
        rows = [row for row in self.run.rows() if row.protocol == self.scorer.id]
        watched = None if watch is None else watch(rows[-1])
        return watched or (reason_to_stop(rows, self.cfg.stop) if may_stop(self.cfg.stop) else None)

    def evaluate(self, state: State) -> None:
        """Scores and a grid of samples at the state's step; nothing of the training changes."""
        cfg = self.cfg
        self.journal.check()
        self.journal.pace.begin("scoring")
        z = draw(cfg.latent, how_many(cfg.data.size), stream(cfg.seed, "samples")).to(self.work.device)
        save_samples(generate(state.scored, z), self.run.sample_grid(state.step))
        if self.scorer is None:
            return
        state.settle()
        self.add_row(state, self.scorer, self.work.score(self.scorer, state, state.step, state.clocks))

    def add_row(self, state: State, scorer: Scorer, scores: dict[str, object]) -> None:
        """A row of the training's own scores, with the newest losses."""
        state.rows += 1
        g_step = state.counts.get("g_step", state.step)  # what does not count them moves its sampler in every step
        self.work.put_row(scorer, state.step, g_step, state.clocks, scores, losses(state))
        if state.step == self.cfg.train.steps and self.work.own is not None:
            self.work.mark_scored(self.work.own)


def losses(state: State) -> dict[str, float | None]:
    """The newest losses and what they watch, null before the first and where they are not finite."""
    values = {**state.losses, **state.watched}
    return {name: value.item() if value.isfinite() else None for name, value in values.items()}
