"""Estimates the hours and cost of a plan from the times of finished runs in the store.

A run is estimated by the median time per D step of similar finished runs: those that agree in all that decides speed,
or, if there are none, those of the next broader group, which is named. Scoring is estimated separately, per evaluation.
A trial of a search counts as a run of its cell. Process startup and data loading are not included.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from landscape.config.axes import axes_of
from landscape.config.errors import CorruptFile
from landscape.config.text import duration, plural
from landscape.store import RunFolder, Store
from landscape.store.run_meta import Machine
from sweeps.launchers.rough_estimate import advice
from sweeps.planning.needs import search_rows
from sweeps.planning.plan import SCORE, TRAIN, Plan, Planned
from sweeps.planning.search_spec import trials_left

Facts = dict[str, Any]

MAX_PER_KIND = 20  # newest finished runs of a kind that are read
# The keys that broader groups ignore, one more each; other keys must always agree.
STEP_DROPS = ("machine", "n_dis", "penalty", "precision", "batch size", "width", "devices")
STEP_KEYS = ("data", "size", "arch", "processor", *STEP_DROPS)
EVALUATION_DROPS = ("width", "machine", "arch", "scores")
EVALUATION_KEYS = ("data", "size", "processor", "extractor", "fakes", *EVALUATION_DROPS)


class Timing(NamedTuple):
    """The measured times of one finished run."""

    facts: Facts
    step_s: float  # seconds per D step
    evaluation_s: float | None


@dataclass
class Estimate:
    """Totals over the runs of a plan that still need training or scores, in seconds unless named otherwise."""

    train_s: float = 0.0
    eval_s: float = 0.0
    hours: float = 0.0  # core-hours or GPU-hours
    longest_s: float = 0.0
    trials: int = 0  # of searches among them
    trials_s: float = 0.0
    basis: Counter[str] = field(default_factory=Counter)  # what runs were estimated from -> how many
    unknown: Counter[str] = field(default_factory=Counter)  # what has no finished run -> how many runs


def facts_of(config: dict[str, Any], processor: str, machine: str | None) -> Facts:
    """What decides the speed of a run; `processor` is CPU or GPU, `machine` its model or None if unknown."""
    train, metrics, found = config["train"], config["metrics"], axes_of(config)
    return {
        **{key: found[key] for key in ("data", "arch", "width", "n_dis")},
        "size": config["data"]["size"],
        "batch size": train["batch_size"],
        "penalty": 0.0
        if found["penalty"] == "none"
        else 1 / found["penalty_every"],  # the share of updates that pay it
        "precision": train["precision"],
        "devices": train.get("world_size") or 1,
        "processor": processor,
        "machine": machine,
        "extractor": metrics["extractor"],
        "fakes": metrics["n_fake"],
        "scores": tuple(sorted(metrics["scores"])),
    }


def timings(store: Store, wanted: set[tuple[str, str]]) -> list[Timing]:
    """The times of finished runs with these (data, arch): the newest `MAX_PER_KIND` of each kind."""
    kinds: dict[tuple[Any, ...], list[tuple[float, str]]] = {}
    for run in store.run_ids():
        try:
            status, written = store.status_of(run)
        except (CorruptFile, OSError):
            continue
        axes = status.axes
        if not status.finished or (axes.get("data"), axes.get("arch")) not in wanted:
            continue
        if status.train_s and status.step:
            paid = axes.get("penalty") == "none", axes.get("penalty_every")
            kind = (axes["data"], axes["arch"], *paid, axes.get("n_dis"), axes.get("steps"))
            kinds.setdefault(kind, []).append((written, run))
    newest = [run for found in kinds.values() for _, run in sorted(found, reverse=True)[:MAX_PER_KIND]]
    return [bench for run in newest if (bench := _bench(store.run(run))) is not None]


def _bench(run: RunFolder) -> Timing | None:
    try:
        status, config, machines, rows = run.status(), run.config(), run.meta().machines, run.rows()
        kinds = {machine_of(entry) for entry in machines}
        if len(kinds) != 1:  # it ran on several machines
            return None
        facts = facts_of(config, *kinds.pop())
        each = (status.eval_s or 0.0) / len(rows) if rows else None
        return Timing(facts, (status.train_s or 0.0) / status.step, each)
    except (CorruptFile, OSError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def machine_of(entry: Machine) -> tuple[str, str]:
    """("GPU" or "CPU", model); the number of threads is part of a CPU's model."""
    if entry.gpu:
        return "GPU", entry.gpu
    return "CPU", f"{entry.cpu}, {plural(entry.threads or 1, 'thread')}"


def median_of_similar(
    facts: Facts, found: list[tuple[Facts, float]], keys: tuple[str, ...], drops: tuple[str, ...]
) -> tuple[float, list[str]] | None:
    """The median of the narrowest group that is not empty, and the keys in which it differs from `facts`; or None."""
    for count in range(len(drops) + 1):
        same = [key for key in keys if key not in drops[:count]]
        if facts["machine"] is None and "machine" in same:
            continue
        group = [(other, value) for other, value in found if all(other[key] == facts[key] for key in same)]
        if group:
            differ = [
                k for k in drops[:count] if facts[k] is not None and any(other[k] != facts[k] for other, _ in group)
            ]
            return median(value for _, value in group), differ
    return None


def step_of_similar(facts: Facts, found: list[tuple[Facts, float]]) -> tuple[float, list[str]] | None:
    """`median_of_similar` for a D step. A step that only sometimes pays a penalty, of which there is no such run, lies
    between those that never and always pay it, where there are both."""
    like = median_of_similar(facts, found, STEP_KEYS, STEP_DROPS)
    if like is None or "penalty" not in like[1] or facts["penalty"] in (0, 1):
        return like
    free, full = (median_of_similar(facts | {"penalty": s}, found, STEP_KEYS, STEP_DROPS) for s in (0.0, 1.0))
    if free is None or full is None or "penalty" in free[1] + full[1]:
        return like
    share = facts["penalty"]
    differ = dict.fromkeys([*free[1], *full[1], "how often the penalty is paid"])
    return (1 - share) * free[0] + share * full[0], list(differ)


def estimate(plan: Plan, processor: Callable[[dict[str, Any]], tuple[str, str | None]]) -> Estimate | None:
    """Estimate a plan from its store; None if nothing is left to do. `processor` is the launcher's method."""
    todo = list(_todo(plan))
    if not todo:
        return None
    asked = [(one, facts_of(one.config, *processor(one.config))) for one in todo]
    found = timings(plan.store, {(facts["data"], facts["arch"]) for _, facts in asked})
    steps = [(bench.facts, bench.step_s) for bench in found]
    evaluations = [(bench.facts, bench.evaluation_s) for bench in found if bench.evaluation_s is not None]
    made, known = Estimate(), {}
    for one, facts in asked:
        key = tuple(facts.values())
        if key not in known:
            known[key] = (
                step_of_similar(facts, steps),
                median_of_similar(facts, evaluations, EVALUATION_KEYS, EVALUATION_DROPS),
            )
        step, evaluation = known[key]
        train_s = eval_s = 0.0
        if one.steps:
            if step is None:
                made.unknown[f"data={facts['data']} arch={facts['arch']} on a {facts['processor']}"] += one.times
                continue
            train_s = one.steps * step[0]
            made.basis[_words(step[1])] += one.times
        if one.scorings and evaluation is None:
            made.unknown[f"scoring with metrics.extractor={facts['extractor']} data={facts['data']}"] += one.times
        elif one.scorings and evaluation is not None:
            eval_s = one.scorings * evaluation[0]
            if not one.steps:
                made.basis[_words(evaluation[1])] += one.times
        made.train_s += one.times * train_s
        made.eval_s += one.times * eval_s
        width = facts["devices"] * (one.config["threads"] if facts["processor"] == "CPU" else 1)
        made.hours += one.times * (train_s + eval_s) * width / 3600
        made.longest_s = max(made.longest_s, train_s + eval_s)
        if one.trial:
            made.trials += one.times
            made.trials_s += one.times * (train_s + eval_s)
    return made


class _Todo(NamedTuple):
    """`times` equal runs, with the D steps and evaluations that each still needs."""

    config: dict[str, Any]
    steps: int
    scorings: int
    times: int = 1
    trial: bool = False


def _todo(plan: Plan) -> Iterator[_Todo]:
    """What the command would train and score, by its stage: runs of the grid and remaining trials."""
    if plan.stage != "search":
        for planned in plan.runs:
            if planned.need in (TRAIN, SCORE):
                yield _Todo(planned.config, *_work(plan.store, planned))
    if plan.stage in ("all", "search") and plan.searches:
        rows = search_rows(plan)
        for search in plan.searches:
            left = trials_left(plan.store, plan.name, [search], rows)
            if left:
                steps, every = search.base["train"]["steps"], search.base["metrics"]["every"]
                scorings = 1 + (math.ceil(steps / every) if every else 1)
                yield _Todo(search.base, steps * search.seeds, scorings * search.seeds, left, True)


def _words(differ: list[str]) -> str:
    return "finished runs that differ in " + ", ".join(differ) if differ else "similar finished runs"


def _work(store: Store, planned: Planned) -> tuple[int, int]:
    """D steps and evaluations that a run still needs."""
    steps, every = planned.config["train"]["steps"], planned.config["metrics"]["every"]
    status = None
    with suppress(CorruptFile, OSError):
        status, _ = store.status_of(planned.id)
    if planned.need == SCORE:
        return 0, sum(bool(asked.missing(status)) for asked in planned.asked)
    done = min(steps, planned.done if status is None else status.step)
    if not planned.asked:
        return steps - done, 0
    own = math.ceil((steps - done) / every) if every else 1
    return steps - done, own + (done == 0) + len(planned.asked) - 1


def lines(plan: Plan, made: Estimate, unit: str, wall: str) -> Iterable[str]:
    """The estimate in lines; `unit` is core or GPU, `wall` the wall-clock time in words."""
    if not made.basis:
        yield "estimate: none, the store has no finished run to estimate from (" + "; ".join(made.unknown) + ")"
        if unit == "core":
            advised = (advice(one.config) for one in _todo(plan) if one.steps)
            yield from (f"  {line}" for line in dict.fromkeys(filter(None, advised)))
        return
    parts = f"{duration(made.train_s)} of training, {duration(made.eval_s)} of scoring"
    total = f"{made.hours:,.1f}" if made.hours >= 10 else f"{made.hours:.2g}"
    yield f"estimate: {total} {unit}-hours ({parts}); {wall}"
    yield "  " + "; ".join(f"{plural(many, 'run')} estimated from {how}" for how, many in made.basis.most_common())
    if made.trials:
        less = ", or less if the pruner ends them early" * any(search.pruner != "none" for search in plan.searches)
        seeds = max(search.seeds for search in plan.searches)
        each = "a full run" if seeds == 1 else f"{seeds} full runs"
        yield f"  {made.trials:,} of them are trials, each counted as {each} of its cell{less}"
    for what, many in made.unknown.items():
        yield f"  not included, no finished run: {what} ({plural(many, 'run')})"
    price = plan.runs[0].config["launcher"].get("price")
    if price is not None:
        cost = made.hours * price
        shown = f"{cost:,.2f}" if cost >= 1 else f"{cost:.2g}"
        yield f"  cost: {shown} at launcher.price={price:g} per {unit}-hour"
