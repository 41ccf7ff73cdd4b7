"""Training of a run from its newest intact checkpoint: evaluations, checkpoints and stops."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from landscape.config.errors import ExitCode
from landscape.config.hardware import slow_bf16
from landscape.data import Dataset
from landscape.metrics.evaluator import Scorer, generate
from landscape.runtime.claimed_run import EXECUTION, ClaimedRun
from landscape.runtime.rank_launcher import rank_command, rank_group
from landscape.store import DIVERGED, DONE, FAILED, PREEMPTED, RUNNING, STOPPED
from landscape.store.early_stopping import Stopped, may_stop, reason_to_stop
from landscape.store.run_status import EarlyStop
from landscape.training import checkpoint
from landscape.training.image_grid import samples_of_picture, save_samples
from landscape.training.loop import Diverged, listeners, train
from landscape.training.state import State, new_state


class Preempted(Exception):
    """The worker was asked to stop and has written a checkpoint."""


class Training:
    """The training of one run by one worker."""

    def __init__(self, work: ClaimedRun, data: Dataset) -> None:
        self.work, self.data = work, data
        self.run, self.cfg, self.writer, self.stop = work.run, work.cfg, work.writer, work.stop
        self.scorer: Scorer | None = None
        self.saved_at = time.monotonic()

    def run_to_end(self) -> None:
        """Train until the last step, divergence, an early stop or a signal. The result is in the status."""
        cfg, writer, work = self.cfg, self.writer, self.work
        writer.write(state=RUNNING, steps=cfg.train.steps, reason=None, errno=None, fault=None)
        order = {key: work.frozen[key] for key in EXECUTION if key in work.frozen}
        slow = slow_bf16(cfg.train.precision, work.device.type == "cpu")
        if slow is not None:
            work.warn(slow)
        with rank_group(
            work.world, work.device, rank_command(work.store.root, self.run.id), order, self.on_rank_failure
        ) as others:
            if work.own is not None:
                self.scorer = work.scorer(work.own, self.data)
            state = new_state(cfg, self.data, work.device)
            for text in state.algorithm.warnings(state, cfg):
                work.warn(text)
            self.resume(state)
            try:
                if state.step == 0 and state.rows == 0:
                    self.evaluate(state)
                others.barrier_at(state.step, work.device)
                writer.pace.begin("training")
                train(state, cfg, self.after_step)
                status, reason = DONE, None
            except Diverged as e:
                work.say(f"diverged: {e}")
                status, reason = DIVERGED, str(e)
            except Stopped as e:
                work.say(f"stopped: {e}")
                status, reason = STOPPED, str(e)
                writer.note(stops=(*writer.status.stops, e.stop))  # kept if another sweep continues the run
            except Preempted:
                writer.write(state=PREEMPTED, step=state.step, **vars(state.clocks))
                return
            finally:
                writer.pace.begin(None)
        self.finish(state, status, reason)

    def finish(self, state: State, status: str, reason: str | None) -> None:
        """Save the results of a run that has ended."""
        cfg, writer = self.cfg, self.writer
        if status == DIVERGED and self.scorer is not None:
            self.add_row(state, self.scorer, self.scorer.null_row(reason or ""))
        writer.check()
        self.run.checkpoints.mkdir(exist_ok=True)
        checkpoint.save(self.run.weights, state.weights())
        if cfg.checkpoint.keep == "all":
            checkpoint.save_generation(self.run, state.state_dict())
        writer.write(state=status, reason=reason, step=state.step, **vars(state.clocks))
        self.run.previous_checkpoint.unlink(missing_ok=True)
        if cfg.checkpoint.keep != "all" and status != STOPPED:  # another sweep may continue it
            self.run.newest_checkpoint.unlink(missing_ok=True)
        clocks = f"{state.clocks.train_s:.1f} s training, {state.clocks.eval_s:.1f} s scoring"
        newest = ", ".join(f"{name} {value:.3g}" for name, value in losses(state).items() if value is not None)
        self.work.say(f"{status} at step {state.step}: {clocks}; {newest or 'no finite loss'}")

    def on_rank_failure(self, reason: str) -> None:
        """End the process because a rank failed. Called from a thread while the main thread is blocked."""
        self.work.say(f"failed: {reason}")
        try:
            self.writer.write(state=FAILED, reason=reason)
            self.writer.claim.release()
        finally:
            os._exit(ExitCode.FAILED)

    def resume(self, state: State) -> None:
        """Load the newest intact checkpoint, if any. Removes later rows and counts the lost seconds."""
        saved, damaged = checkpoint.load_newest(self.run, self.work.device)
        for sentence in damaged:
            self.work.say(sentence)
        meta = self.run.meta()
        if meta.continues is not None and (saved is None or listeners(state)):
            saved = None
            why = "its networks depend on the length" if listeners(state) else "its checkpoint cannot be read"
            self.work.say(f"run {meta.continues.run} is not continued, but begun again: {why}")
            self.writer.check()
            self.run.newest_checkpoint.unlink(missing_ok=True)
            self.run.previous_checkpoint.unlink(missing_ok=True)
            self.run.write_meta(replace(meta, continues=None))
        if saved is not None:
            state.load_state_dict(saved)
            self.work.say(f"resuming at step {state.step}")
        cut = self.run.cut_rows(state.rows) if self.run.metrics_file.exists() else 0
        before = self.writer.status
        spent = (before.train_s or 0.0) + (before.eval_s or 0.0)
        lost = max(0.0, spent - state.clocks.train_s - state.clocks.eval_s)
        if cut or lost:
            self.work.say(f"repeating {cut} rows and {lost:.1f} s after the checkpoint")
        self.writer.write(step=state.step, wasted_s=before.wasted_s + lost, **vars(state.clocks))

    def after_step(self, state: State) -> None:
        """Between steps: evaluate, then save, then stop, in this order, so that a checkpoint includes its rows."""
        cfg, last = self.cfg, state.step == self.cfg.train.steps
        self.writer.note(step=state.step, **vars(state.clocks))
        reason = None
        if last or (self.scorer is not None and cfg.metrics.every and state.step % cfg.metrics.every == 0):
            self.evaluate(state)
            reason = None if last else self.reason_to_stop()
        stopping = self.stop.signal is not None and not last
        if reason or stopping or time.monotonic() - self.saved_at >= cfg.checkpoint.every_s:
            self.writer.check()
            self.writer.pace.begin("saving")
            checkpoint.save_generation(self.run, state.state_dict())
            self.saved_at = time.monotonic()
        if reason:
            raise Stopped(reason)
        if stopping:
            self.work.say(f"asked to stop; saved at step {state.step}")
            raise Preempted
        self.writer.pace.begin("training")

    def reason_to_stop(self) -> EarlyStop | None:
        """The stop that the rules or the search's pruner demand after the latest evaluation, else None."""
        watch = self.work.watch
        if self.scorer is None or not (watch or may_stop(self.cfg.stop)):
            return None
        rows = [row for row in self.run.rows() if row.protocol == self.scorer.id]
        watched = None if watch is None else watch(rows[-1])
        return watched or (reason_to_stop(rows, self.cfg.stop) if may_stop(self.cfg.stop) else None)

    def evaluate(self, state: State) -> None:
        """Score the state and save a sample grid. Training is not affected."""
        cfg = self.cfg
        self.writer.check()
        self.writer.pace.begin("scoring")
        picture = samples_of_picture(cfg, cfg.seed)
        samples = generate(state.scored, *(part.to(self.work.device) for part in picture))
        save_samples(samples, self.run.sample_grid(state.step), len(samples))
        if self.scorer is None:
            return
        state.sync_clocks()
        self.add_row(state, self.scorer, self.work.score(self.scorer, state, state.step, state.clocks))

    def add_row(self, state: State, scorer: Scorer, scores: dict[str, object]) -> None:
        """Append a row of the run's own scores with the latest losses."""
        state.rows += 1
        g_step = state.counts.get("g_step", state.step)  # without this counter every step updates the sampler
        self.work.put_row(scorer, state.step, g_step, state.clocks, scores, losses(state))
        if state.step == self.cfg.train.steps and self.work.own is not None:
            self.work.mark_scored(self.work.own)


def losses(state: State) -> dict[str, float | None]:
    """The latest losses and logged values; null before the first step and if not finite."""
    values = {**state.losses, **state.watched}
    return {name: value.item() if value.isfinite() else None for name, value in values.items()}
