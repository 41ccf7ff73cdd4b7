"""One run from claim to kept weights: `python -m landscape.runtime.worker --store DIR --run ID`.

Trains what is not trained yet, from the newest sound checkpoint; then meets every request for scores that
the run's folder holds. All that decides is read from the frozen folder; nothing is composed here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from landscape.config.cli import Parser, run_cli
from landscape.config.errors import CorruptFile, ExitCode, UserError, error_name
from landscape.config.hardware import slow_bf16
from landscape.config.identity import check_current
from landscape.config.schema import Config, typed
from landscape.data import Dataset, load_data
from landscape.losses.adversarial import get_loss
from landscape.metrics.evaluator import Scorer, generate
from landscape.metrics.networks_under_test import Subject
from landscape.networks.latents import draw
from landscape.rng import stream
from landscape.runtime.rank_launcher import team, teammate
from landscape.signals import StopFlag
from landscape.store import DIVERGED, DONE, FAILED, FINISHED, PREEMPTED, RUNNING, STOPPED, RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.early_stopping import Stopped, Watch, may_stop, reason_to_stop
from landscape.store.leases import ClaimLost, Observer, take
from landscape.store.leftovers import clear_run
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.provenance import machine_entry
from landscape.store.run_status import EarlyStop
from landscape.store.run_writer import Journal
from landscape.tracking.process import mirrored
from landscape.training import checkpoint
from landscape.training.devices import pick_device
from landscape.training.image_grid import how_many, save_samples
from landscape.training.loop import Diverged, train
from landscape.training.meter import Meter
from landscape.training.state import Clocks, State, new_state

logger = logging.getLogger("landscape.runtime.worker")  # also as the main module of its process

EXECUTION = ("device", "threads", "checkpoint", "stop", "logger")

Say = Callable[[str], None]


class Preempted(Exception):
    """Asked to stop: the checkpoint is written, the rest is for the next worker."""


def work(
    store: Store,
    run_id: str,
    say: Say = logger.info,
    execution: dict[str, Any] | None = None,
    observer: Observer | None = None,
    watch: Watch | None = None,
) -> str | None:
    """Claim a run, train and score it; returns its status, or None where somebody else works on it.

    `execution` has the keys that say how and where to run (`EXECUTION`) and not what; where given they count
    instead of those frozen at planning. `watch` may end it early, as `stop` may; a run that was stopped so goes on
    where neither is given. Raises `CorruptFile` where the run's folder does not read. Whatever goes
    wrong inside the run is its status "failed", with the reason there and the traceback in the log.
    """
    run = store.run(run_id)
    frozen = run.config() | {key: value for key, value in (execution or {}).items() if key in EXECUTION}
    run.status()
    claim = take(run, observer or Observer())
    if claim is None:
        return None
    clear_run(run, claim.lost)
    with StopFlag().listening() as stop, Journal(run, claim) as journal:
        try:
            return _Work(store, run, typed(frozen), frozen, journal, stop, say, watch).outcome()
        except ClaimLost:
            say("this run was taken over by another worker; stopping without writing")
            return None
        except Exception as e:
            if not isinstance(e, UserError | CorruptFile):
                say(traceback.format_exc().rstrip())
            say(f"failed: {e}")
            reason = str(e) if isinstance(e, UserError | CorruptFile) else f"{type(e).__name__}: {e}"
            state = journal.status.state if journal.status.finished else FAILED
            journal.write(state=state, reason=" ".join(reason.split())[:500], errno=error_name(e))
            return FAILED
        finally:
            if not journal.lost:
                claim.release()


class _Work:
    """What the steps of one worker share."""

    def __init__(
        self,
        store: Store,
        run: RunFolder,
        cfg: Config,
        frozen: dict[str, Any],
        journal: Journal,
        stop: StopFlag,
        say: Say,
        watch: Watch | None,
    ) -> None:
        self.watch = watch
        self.store, self.run, self.cfg, self.frozen = store, run, cfg, frozen
        self.journal, self.stop, self.say = journal, stop, say
        self.device = pick_device(cfg.device)
        self.own = EvalRequest.of(frozen)
        self.scorer: Scorer | None = None
        self.world = cfg.train.world_size or 1
        self.check_mirror: Callable[[], None] = lambda: None
        self.saved_at = time.monotonic()

    def outcome(self) -> str:
        cfg = self.cfg
        check_current(self.run.id, self.run.config())
        torch.set_num_threads(cfg.threads)
        data = load_data(cfg.data, self.store)
        if data.content != cfg.data.content:
            raise UserError(f"the data are not those that run {self.run.id} was planned on ({data.content[:12]})")
        status = self.journal.status.state
        goes_on = status == STOPPED and self.watch is None and not may_stop(cfg.stop)
        self.record_machine(training=status not in FINISHED or goes_on)
        logger, hurried = self.frozen["logger"], lambda: self.stop.signal is not None
        with mirrored(self.store, self.run, logger, self.warn, hurried) as self.check_mirror:
            if status not in FINISHED or goes_on:
                self.train(data)
            if self.journal.status.state == DONE:
                self.rescore(data)
        if logger["kind"] != "none":
            self.journal.write()  # what the mirror said at its end
        return self.journal.status.state

    def record_machine(self, training: bool) -> None:
        """Add this machine where it differs from the run's last; how it is shared says something of training alone."""
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        train = self.cfg.train
        entry = machine_entry(str(self.device), gpu, self.cfg.threads, train.precision, self.world, train.batch_size)
        meta = self.run.meta()
        self.journal.check()
        last = meta.machines[-1] if meta.machines else None
        if last is not None and not training:
            last = replace(last, sharing=entry.sharing)
        if last != entry:
            self.run.write_meta(replace(meta, machines=(*meta.machines, entry)))

    # Training

    def train(self, data: Dataset) -> None:
        cfg, journal = self.cfg, self.journal
        journal.write(state=RUNNING, steps=cfg.train.steps, reason=None, errno=None)
        order = {key: self.frozen[key] for key in EXECUTION if key in self.frozen}
        slow = slow_bf16(cfg.train.precision, self.device.type == "cpu")
        if slow is not None:
            self.warn(slow)
        with team(self.world, self.device, teammate(self.store.root, self.run.id), order, self.abandon) as others:
            if self.own is not None:
                self.scorer = self.ready(self.own, data)
            state = new_state(cfg, data, self.device)
            for text in state.algorithm.warnings(state, cfg):
                self.warn(text)
            self.resume(state)
            try:
                if state.step == 0 and state.rows == 0:
                    self.evaluate(state)
                others.meet(state.step, self.device)
                journal.pace.begin("training")
                train(state, cfg, self.after_step)
                status, reason = DONE, None
            except Diverged as e:
                self.say(f"diverged: {e}")
                status, reason = DIVERGED, str(e)
            except Stopped as e:
                self.say(f"stopped: {e}")
                status, reason = STOPPED, str(e)
                journal.note(stops=(*journal.status.stops, e.stop))  # kept when another sweep takes the run up again
            except Preempted:
                journal.write(state=PREEMPTED, step=state.step, **vars(state.clocks))
                return
            finally:
                journal.pace.begin(None)
        if status == DIVERGED:
            self.add_row(state, None if self.scorer is None else self.scorer.nothing(reason or ""))
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
        self.say(f"{status} at step {state.step}: {clocks}; {newest or 'no finite loss'}")

    def ready(self, asked: EvalRequest, data: Dataset) -> Scorer:
        """A scorer for a request, its protocol's text in the run's folder."""
        scorer = Scorer(asked, data, self.cfg.latent, self.store, self.device)
        self.run.protocols.mkdir(exist_ok=True)
        write_whole(self.run.protocol_file(scorer.id), to_json(scorer.text().to_json()))
        for text in scorer.warnings:
            self.warn(text)
        return scorer

    def warn(self, text: str) -> None:
        """Say something once a worker, and keep it in the status."""
        before = self.journal.status.warnings
        self.say(f"warning: {text}")
        if text not in before:
            self.journal.note(warnings=[*before, text])

    def abandon(self, reason: str) -> None:
        """End this process over a lost rank, from a thread, while the main one cannot."""
        self.say(f"failed: {reason}")
        try:
            self.journal.write(state=FAILED, reason=reason)
            self.journal.claim.release()
        finally:
            os._exit(ExitCode.FAILED)

    def resume(self, state: State) -> None:
        """Put back the newest sound checkpoint, if any; cut rows past it and keep count of the seconds lost."""
        saved, damaged = checkpoint.load_newest(self.run, self.device)
        for sentence in damaged:
            self.say(sentence)
        if saved is not None:
            state.load_state_dict(saved)
            self.say(f"resuming at step {state.step}")
        cut = self.run.cut_rows(state.rows) if self.run.metrics_file.exists() else 0
        before = self.journal.status
        spent = (before.train_s or 0.0) + (before.eval_s or 0.0)
        lost = max(0.0, spent - state.clocks.train_s - state.clocks.eval_s)
        if cut or lost:
            self.say(f"{cut} rows and {lost:.1f} s past the checkpoint are done again")
        self.journal.write(step=state.step, wasted_s=before.wasted_s + lost, **vars(state.clocks))

    def after_step(self, state: State) -> None:
        """Between two steps: evaluate, then save, then stop, in that order, so that a checkpoint knows its rows."""
        cfg, last = self.cfg, state.step == self.cfg.train.steps
        self.journal.note(step=state.step, **vars(state.clocks))
        reason = None
        if last or (self.scorer is not None and cfg.metrics.every and state.step % cfg.metrics.every == 0):
            self.evaluate(state)
            reason = None if last else self.reason_to_stop(state)
        stopping = self.stop.signal is not None and not last
        if reason or stopping or time.monotonic() - self.saved_at >= cfg.checkpoint.every_s:
            self.journal.check()
            self.journal.pace.begin("saving")
            checkpoint.save_generation(self.run, state.state_dict())
            self.saved_at = time.monotonic()
        if reason:
            raise Stopped(reason)
        if stopping:
            self.say(f"asked to stop; saved at step {state.step}")
            raise Preempted
        self.journal.pace.begin("training")

    def reason_to_stop(self, state: State) -> EarlyStop | None:
        """Why the run should end with the evaluation just made, by the rules or by whoever watches; else None."""
        if self.scorer is None or not (self.watch or may_stop(self.cfg.stop)):
            return None
        rows = [row for row in self.run.rows() if row.protocol == self.scorer.id]
        watched = None if self.watch is None else self.watch(rows[-1])
        return watched or (reason_to_stop(rows, self.cfg.stop) if may_stop(self.cfg.stop) else None)

    def evaluate(self, state: State) -> None:
        """Scores and a grid of samples at the state's step; nothing of the training changes."""
        cfg = self.cfg
        self.journal.check()
        self.journal.pace.begin("scoring")
        z = draw(cfg.latent, how_many(cfg.data.size), stream(cfg.seed, "samples")).to(self.device)
        save_samples(generate(state.scored, z), self.run.sample_grid(state.step))
        if self.scorer is None:
            return
        state.settle()
        start, meter = time.perf_counter(), Meter(self.device)
        meter.start()
        scores = self.scorer.score(state.scored, self.subject(state, self.scorer, state.step))
        state.clocks.add_busy(eval_s=meter.stop() + meter.rest())
        state.clocks.eval_s += time.perf_counter() - start
        self.add_row(state, scores)

    def subject(self, state: State, scorer: Scorer, step: int) -> Subject:
        """The run as scores see it; pictures that they keep go into its folder."""

        def show(name: str, samples: Tensor) -> None:
            save_samples(samples, self.run.picture(name, step, scorer.id))

        d = state.modules.get("d")
        loss = None if d is None else get_loss(self.cfg.loss.kind)
        return Subject(state.scored, d, loss, scorer.latents, show)

    def add_row(self, state: State, scores: dict[str, Any] | None) -> None:
        if scores is None or self.scorer is None or self.own is None:
            return
        state.rows += 1
        g_step = state.counts.get("g_step", state.step)  # what does not count them moves its sampler in every step
        self.put_row(self.scorer, state.step, g_step, state.clocks, scores, losses(state))
        if state.step == self.cfg.train.steps:
            self.mark_scored(self.own)

    def put_row(
        self,
        scorer: Scorer,
        step: int,
        g_step: int,
        clocks: Clocks,
        scores: dict[str, Any],
        more: dict[str, Any],
    ) -> None:
        images = step * self.cfg.train.batch_size
        row = {
            "step": step,
            "protocol": scorer.id,
            "g_step": g_step,
            "images": images,
            **vars(clocks),
            **scores,
            **more,
        }
        self.journal.row(MetricsRow.from_json(row, "a row of scores"))
        newest = {"step": step, "protocol": scorer.id} | scorer.newest(scores)
        self.journal.write(scores=newest, **vars(clocks))
        shown = ", ".join(f"{k} {v:.4g}" for k, v in scores.items() if isinstance(v, float))
        self.say(f"step {step}: {shown or 'no finite score'}")
        self.check_mirror()

    def mark_scored(self, asked: EvalRequest) -> None:
        scored, key = self.journal.status.scored, asked.id
        self.journal.write(scored={**scored, key: sorted({*scored.get(key, ()), *asked.scores})})

    # Scoring a finished run again

    def rescore(self, data: Dataset) -> None:
        """Meet every request that the finished run does not meet yet, from its kept weights."""
        asked = [self.own] if self.own is not None and self.own.missing(self.journal.status) else []
        asked += self.run.pending_requests()
        if not asked:
            return
        state = new_state(self.cfg, data, self.device)
        kept = checkpoint.load(self.run.weights, self.device)
        state.load_weights(kept)
        rows = self.run.rows()
        unmet: dict[str, str] = {}
        for one in asked:
            try:
                scorer = self.ready(one, data)
            except Exception as e:  # one request that cannot be met keeps none of the others from it
                self.say(traceback.format_exc().rstrip())
                unmet[one.id] = f"{type(e).__name__}: {e}"[:500]
                continue
            status = self.journal.status
            clocks = Clocks(status.train_s or 0.0, status.eval_s or 0.0, status.train_busy_s, status.eval_busy_s)
            start, meter = time.perf_counter(), Meter(self.device)
            meter.start()
            scores = scorer.score(state.scored, self.subject(state, scorer, kept["step"]))
            clocks.add_busy(eval_s=meter.stop() + meter.rest())
            clocks.eval_s += time.perf_counter() - start
            g_step = rows[-1].g_step if rows else None
            if g_step is None:
                g_step = 1 + (self.cfg.train.steps - 1) // self.cfg.optim.n_dis
            self.put_row(scorer, kept["step"], g_step, clocks, scores, {})
            self.mark_scored(one)
        self.journal.write(unmet=unmet, reason=None)


def losses(state: State) -> dict[str, float | None]:
    """The newest losses and what they watch, null before the first and where they are not finite."""
    values = {**state.losses, **state.watched}
    return {name: value.item() if value.isfinite() else None for name, value in values.items()}


def parser() -> Parser:
    """Of this process."""
    parser = Parser("python -m landscape.runtime.worker", __doc__ or "")
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--execution", type=json.loads, default={}, help="JSON: device, threads, checkpoint, stop, logger"
    )
    parser.add_argument("--lost", type=json.loads, help="JSON: the worker that the launcher has found to be dead")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code, which tells the controller how the run stands."""

    def run() -> int:
        arguments = parser().parse(sys.argv[1:] if argv is None else argv)
        store, status, observer = Store(arguments.store), None, Observer()
        if arguments.lost is not None:
            observer.hear(store.run(arguments.run), arguments.lost)
        if observer.settle(store.run(arguments.run), logger.info):
            status = work(store, arguments.run, logger.info, arguments.execution, observer)
        if status in FINISHED and store.run(arguments.run).status().unmet:
            return ExitCode.FAILED
        codes = {FAILED: ExitCode.FAILED, PREEMPTED: ExitCode.PREEMPTED, None: ExitCode.CLAIMED}
        return codes.get(status, ExitCode.DONE)

    return run_cli(run, interrupted="")  # a store that cannot be written any more holds no word of it


if __name__ == "__main__":
    sys.exit(main())
