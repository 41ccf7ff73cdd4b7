"""The last stage of a sweep: the best settings of each cell again, on seeds, latents and real images that were not used
to choose them.

The best of many scores is biased: it was also the luckiest. Scores on fresh seeds, latents and images are not, and are
the values to report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from statistics import fmean, median, median_high, stdev, variance
from typing import Any

from landscape.config.axes import AXES, axes_of, cell_of, cell_words
from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import run_id, setting_of, short_hash
from landscape.config.schema import Data
from landscape.config.text import plural
from landscape.data import find_data
from landscape.scores import DISTANCE, distance_of
from landscape.store import DIVERGED, DONE, FINISHED, STOPPED, RunFolder
from landscape.store.protocols import EvalRequest
from landscape.store.trials import CONFIRM, SEARCH, TrialRecord, put_rows, read_rows
from sweeps.planning.config_groups import copy_tree
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, Planned
from sweeps.planning.search_space import KEYS
from sweeps.search.objective import ObjectiveValue, objective_value, rows_of

# metrics.real of the choice -> that of the confirmation; and the images in each choice of metrics.real.
OTHER = {"test": "train", "train": "test", "test_a": "test_b", "test_b": "test_a"}
IMAGES = {"train": "t", "test": "ab", "test_a": "a", "test_b": "b", "all": "tab"}


# Keys that a search may vary.
SEARCHED = {key for keys in KEYS.values() for key in keys}
# Keys that say where and how runs are executed, which are taken from the command.
COMMAND = ("store", "device", "threads", "checkpoint", "stop", "launcher", "logger")


class Candidate:
    """A setting that was tried in a cell, with the distances of its runs."""

    def __init__(self, config: dict[str, Any], asked: EvalRequest) -> None:
        self.config, self.asked = config, asked
        self.distances: list[float] = []
        self.seeds: set[int] = set()

    @property
    def median_distance(self) -> float:
        """The median of its distances."""
        return median(self.distances)


@dataclass
class Confirmation:
    """The plan of the last stage, and which of its runs belong to which setting."""

    plan: Plan
    settings: list[tuple[Candidate, list[Planned]]]


def confirmation(plan: Plan) -> Confirmation:
    """The plan that trains the best settings of `plan`'s cells again, surveyed.

    Raises `UserError` where nothing of the sweep is finished, and where no real images are left to confirm on.
    """
    store, wanted = plan.store, plan.confirm
    tried = tried_settings(plan)
    if not tried:
        raise UserError(f"sweep {plan.name} has no finished and scored run in {store.root}: train it, then confirm")
    used = {seed for cell in tried.values() for setting in cell for seed in setting.seeds}
    seeds = list(islice((seed for seed in count(wanted["first_seed"]) if seed not in used), wanted["seeds"]))
    made = Plan([*plan.command], [], f"{plan.study or 'sweep'}-confirm", search=plan.search, stage="confirm")
    settings = []
    for cell in tried.values():
        for setting in best(cell)[: wanted["top"]]:
            planned = list(confirmation_runs(setting, seeds, plan))
            settings.append((setting, planned))
            made.runs += planned
    if not made.runs:
        raise UserError(f"every run of sweep {plan.name} diverged or was stopped: there is nothing to confirm")
    made.points = len(made.runs)
    survey(made)
    return Confirmation(made, settings)


def best(settings: list[Candidate]) -> list[Candidate]:
    """A cell's settings that did not diverge, the best first, by their medians shrunk towards that of all.

    A single seed may be low by chance, a median of five less so. The median (of logarithms) of n seeds keeps the share
    s / (s + e / n) of its difference from the median of all settings, with the variances s of settings and e of seeds
    estimated by moments.
    """
    left = sorted((s for s in settings if s.median_distance < math.inf), key=lambda s: s.median_distance)
    finite = [[_log(d) for d in s.distances if d < math.inf] for s in left]
    several = [logs for logs in finite if len(logs) > 1]
    of_seeds = fmean(map(variance, several), map(len, several)) if several else 0.0
    if not of_seeds or len(left) < 2:
        return left
    medians = [_log(s.median_distance) for s in left]
    noise = of_seeds * fmean(1 / len(s.distances) for s in left)
    ratio, middle = max(0.0, variance(medians) - noise) / of_seeds, median(medians)
    return sorted(left, key=lambda s: (_log(s.median_distance) - middle) / (ratio + 1 / len(s.distances)))


def _log(distance: float) -> float:
    return math.log(max(distance, 1e-12))  # tiny distances may be 0 in floating point


def record_confirmation(plan: Plan, found: Confirmation) -> None:
    """Put the last stage's runs into the sweep's record, with the values of those that have ended.

    Done before they are trained, too: runs of a chosen setting must never count in a curve or a comparison.
    """
    rows: list[TrialRecord] = []
    for _, planned in found.settings:
        for p in planned:
            run = plan.store.run(p.id)
            value, diverged, _ = objective_value(run, p.asked[0]) if run.exists() else ObjectiveValue(None, False)
            rows.append(TrialRecord(p.id, cell_of(p.config), CONFIRM, len(rows), value=value, diverged=diverged))
    put_rows(plan.store, plan.name, rows)


def confirmed(plan: Plan, found: Confirmation) -> Iterator[str]:
    """A line a setting: the distance that it was chosen at, and those of its fresh runs."""
    for setting, planned in found.settings:
        fresh, as_chosen = planned[0].asked
        runs = [plan.store.run(p.id) for p in planned]
        before, again = ([last_distance(run, asked) for run in runs] for asked in (as_chosen, fresh))
        yield (
            f"{describe_setting(setting.config)}: chosen at {DISTANCE.text(setting.median_distance)} "
            f"({plural(len(setting.distances), 'run')}), fresh seeds {mean_and_std(before)}; on fresh latents and "
            f"metrics.real={fresh.real} {mean_and_std(again)}"
        )


def mean_and_std(distances: list[float | None]) -> str:
    """Mean and standard deviation of the runs that are finished; if one diverged, the median of all,
    as a mean without it would be too low."""
    ended = [d for d in distances if d is not None]
    lost = ended.count(math.inf)
    if lost:
        middle = median_high(ended)
        text = "no mean" if middle == math.inf else f"median {DISTANCE.text(middle)}, no mean"
    else:
        text = DISTANCE.text(fmean(ended)) if ended else "-"
        text += f" +- {stdev(ended):.2g}" if len(ended) > 1 else ""
    return f"{text} (n = {len(ended)}{f', {lost} diverged' if lost else ''})"


def tried_settings(plan: Plan) -> dict[str, list[Candidate]]:
    """The settings that a sweep has tried and finished, by cell: those of its grid and of its searches."""
    store = plan.store
    asked = {run.id: run.asked[0] for run in plan.runs if run.asked}
    by_search = {search.id: search.asked for search in plan.searches}
    for r in read_rows(store, plan.name):
        if r.stage == SEARCH and r.search in by_search:
            asked.setdefault(r.run, by_search[r.search])
    found: dict[str, dict[str, Candidate]] = {}
    for name, how in asked.items():
        with suppress(FileNotFoundError, CorruptFile):  # unreadable runs were reported by the plan
            run = store.run(name)
            config = run.config()
            distance = last_distance(run, how)
            if distance is None:
                continue
            cell = found.setdefault(short_hash(cell_of(config)), {})
            setting = cell.setdefault(short_hash([setting_of(config), how.to_json()]), Candidate(config, how))
            setting.distances.append(distance)
            setting.seeds.add(int(config["seed"]))
    return {cell: list(settings.values()) for cell, settings in found.items()}


def last_distance(run: RunFolder, asked: EvalRequest) -> float | None:
    """A run's last distance; infinity where it diverged or was stopped, None where it is not finished or scored."""
    try:
        state = run.status().state
        if state in (DIVERGED, STOPPED):
            return math.inf
        rows = rows_of(run, asked) if state == DONE else []
    except CorruptFile:
        return None
    if state not in FINISHED or not rows:
        return None
    last = distance_of(rows[-1].values)
    return math.inf if last is None else float(last)


def confirmation_runs(setting: Candidate, seeds: list[int], plan: Plan) -> Iterator[Planned]:
    """A setting's runs on fresh seeds, asked for their scores on fresh latents and on other real images; and, beside
    those, as it was chosen, which shows by how much the choice flattered."""
    wanted, store, chosen_on = plan.confirm, plan.store, setting.asked.real
    real = wanted["real"] or OTHER.get(chosen_on)
    if real is None or set(IMAGES[real]) & set(IMAGES[chosen_on]):
        raise UserError(
            f"settings were chosen on metrics.real={chosen_on}, so confirm.real={real} would measure them on images "
            "that chose them; choose on test_a, say, and confirm on test_b"
        )
    for seed in seeds:
        config: dict[str, Any] = copy_tree(setting.config)
        data = find_data(Data(**config["data"]), store)
        metrics = config["metrics"]
        config["seed"], config["repeat"] = seed, 0
        metrics |= setting.asked.in_config()
        if metrics["n_fake"] == len(data.part(chosen_on)):
            metrics["n_fake"] = len(data.part(real))
        metrics["real"], metrics["seed"] = real, wanted["metrics_seed"]
        if metrics["seed"] == setting.asked.seed:
            raise UserError(
                f"confirm.metrics_seed={metrics['seed']} is metrics.seed of the choice; give another for fresh latents"
            )
        config |= {key: plan.runs[0].config[key] for key in COMMAND}
        fresh = EvalRequest.of(config)
        assert fresh is not None
        picked = [f"confirm {describe_setting(config)}", f"seed={seed}"]
        yield Planned(run_id(config), config, picked, [], [fresh, setting.asked])


def describe_setting(config: dict[str, Any]) -> str:
    """A setting in a few words: its cell and its hyperparameters."""
    found = axes_of(config)
    told = {axis: found[axis.name] for axis in AXES if SEARCHED.issuperset(axis.keys)}
    told = {axis: value for axis, value in told.items() if value is not None and value != found.get(axis.follows or "")}
    return " ".join([cell_words(found), *(f"{axis.name}={value:g}" for axis, value in told.items())])
