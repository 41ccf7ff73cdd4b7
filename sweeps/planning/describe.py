"""Describes a plan in words and counts its runs by cell."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from landscape.config.axes import cell_name, cell_of
from landscape.config.identity import identity, setting_of, short_hash
from landscape.config.seeds import power_summary
from landscape.config.text import plural
from sweeps.planning.plan import NOTHING, SCORE, TRAIN, Plan


class Cell(NamedTuple):
    """The runs of a plan in one cell of the grid."""

    name: tuple[str, ...]  # its values on the axes of a cell
    settings: int  # that differ in more than seed and repeat
    runs: int


def cells(plan: Plan) -> list[Cell]:
    """The cells of a plan, in the order of its runs."""
    found: dict[tuple[str, ...], list[str]] = {}
    for planned in plan.runs:
        name = cell_name(cell_of(planned.config))
        found.setdefault(name, []).append(short_hash(setting_of(planned.config)))
    return [Cell(name, len(set(settings)), len(settings)) for name, settings in found.items()]


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines: counts by need and state, and ignored keys."""
    n = len(plan.runs)
    train, score, rest = (len(plan.needing(need)) for need in (TRAIN, SCORE, NOTHING))
    rest -= len(plan.unreadable)
    lines = [f"{plural(n, 'run')}: {train} to train, {score} to score, {rest} finished"]
    if plan.unreadable:
        lines[0] += f", {len(plan.unreadable)} unreadable and left out"
    if plan.stage == "search":
        lines[0] += "; not part of stage=search"
    states = Counter(run.state for run in plan.runs if run.state != "new")
    if states:
        lines.append("in the store: " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
    lines += _continuations(plan)
    for change, count in plan.superseded.items():
        lines.append(
            f"{plural(count, 'run')} in the store trained before {change.when} cannot be reused: {change.choice} has "
            f"changed its meaning since ({change.why}), and these runs have other ids"
        )
    if plan.excluded:
        lines.append(f"{plan.excluded} of {plan.points} points of the grid are excluded by the study")
    joined = plan.points - plan.excluded - n
    if joined:
        lines.append(f"{n + joined} points of the grid are {n} different runs; the others are equal to one of these")
    if plan.searches:
        trials = sum(search.trials for search in plan.searches)
        cells, seeds = len(plan.searches), "one seed" if plan.search["seeds"] == 1 else f"{plan.search['seeds']} seeds"
        lines.append(
            f"search={plan.search['kind']}: {plan.search['trials']} trials in "
            f"{'each of ' * (cells != 1)}{plural(cells, 'cell')}, {seeds} each: "
            f"{max(0, trials - plan.settled)} of {trials} trials left"
            f"{f', {plan.given_up} given up' if plan.given_up else ''}"
            f"{'; not part of stage=grid' if plan.stage == 'grid' else ''}"
        )
    if plan.unused and plan.study is None:  # studies do this on purpose
        lines.append("ignored as unused: " + "; ".join(sorted(plan.unused)))
    return lines


def _continuations(plan: Plan) -> list[str]:
    """What new runs take over from shorter runs of the store, and why others cannot."""
    going_on = [planned for planned in plan.runs if planned.shorter is not None]
    lines = []
    if going_on:
        done, steps = sum(one.done for one in going_on), sum(one.config["train"]["steps"] for one in going_on)
        lines.append(
            f"{len(going_on)} of them continue{'s' * (len(going_on) == 1)} a shorter run of the store from its last "
            f"checkpoint: {done:,} of {steps:,} D updates are done"
        )
    if plan.unkept:
        lines.append(
            f"{plural(plan.unkept, 'run')} could have continued a shorter run of the store, but its last checkpoint "
            "was not kept (checkpoint.keep=all keeps it)"
        )
    for setting, count in plan.bound.items():
        lines.append(
            f"{plural(count, 'run')} cannot continue a shorter run of the store: {setting} depends on train.steps"
        )
    return lines


def describe_power(plan: Plan) -> list[str]:
    """For each data set: which differences between cells the report can claim, and how many seeds would show more.

    The sample of a cell is its settings if it has several, else its seeds; trials of adaptive searches do not count.
    """
    seeds: dict[tuple[str, ...], set[str]] = {}
    settings: dict[tuple[str, ...], set[str]] = {}
    for planned in plan.runs:
        name = cell_name(cell_of(planned.config))
        flat = {key: value for key, value in identity(planned.config).items() if key != "repeat"}
        seeds.setdefault(name, set()).add(short_hash(flat))
        settings.setdefault(name, set()).add(short_hash(setting_of(planned.config)))
    drawn = Counter({name: len(found) for name, found in settings.items()})
    for search in plan.searches:
        if plan.search["kind"] in ("random", "qmc"):
            drawn[cell_name(search.cell)] += search.trials
    lines = []
    for data in dict.fromkeys(name[0] for name in seeds):
        mine = [name for name in seeds if name[0] == data]
        several = max(drawn[name] for name in mine) > 1
        fewest = min(drawn[name] if several else len(seeds[name]) for name in mine)
        if told := power_summary(len(mine), fewest, "setting" if several else "seed"):
            lines.append(told if len(mine) == len(seeds) else f"{data}: {told}")
    return lines
