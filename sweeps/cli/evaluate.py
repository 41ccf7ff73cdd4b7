"""Score finished runs under another protocol from their kept generators; trains nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from landscape.config.axes import AXES, axes_of
from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.identity import flatten
from landscape.config.schema import Data, Metrics
from landscape.config.text import plural
from landscape.config.validation import check_ranges
from landscape.data import Dataset, load_data
from landscape.store import DIVERGED, DONE, RunFolder, Store
from landscape.store.protocols import EvalRequest
from sweeps.cli import arguments
from sweeps.cli.arguments import TAKES
from sweeps.console import tell
from sweeps.errors import run_command
from sweeps.launchers.here import HereLauncher
from sweeps.launchers.registry import launcher_of
from sweeps.planning.composition import Composed, combinations, hydra
from sweeps.planning.config_groups import copy_tree, groups, mentioned, read_choice
from sweeps.planning.finalize import drop_unused, settle_metrics
from sweeps.planning.freeze import add_requests
from sweeps.planning.needs import need
from sweeps.planning.overrides import parse
from sweeps.planning.plan import NOTHING, Plan, Planned
from sweeps.planning.select_runs import choose_runs

SHOWN = 10  # lines of runs that are left alone


@dataclass
class Order:
    """What a command line asks for."""

    overrides: list[str]
    multirun: bool
    ids: list[str]
    sweeps: list[str]
    where: list[str]


@dataclass
class Scoring:
    """What is to be scored; nothing is written yet."""

    plan: Plan
    chosen: int
    scored: int = 0  # have all that is asked for
    alone: list[str] = field(default_factory=list)  # a sentence for each run that is left alone
    unfinished: bool = False  # one of those is missing or not trained to its end


def main(argv: list[str]) -> int:
    """Run the command line (without the program's name); returns the exit code."""
    return run_command(lambda: evaluate(argv))


def evaluate(argv: list[str]) -> int:
    """Score what `main` is given; returns the exit code. Raises `UserError`."""
    scoring = make_scoring(read_order(argv))
    for line in describe(scoring):
        tell(line)
    plan = scoring.plan
    if not plan.runs:
        tell("nothing to do")
        return ExitCode.UNFINISHED if scoring.unfinished else ExitCode.DONE
    launcher = launcher_of(plan.runs[0].config["launcher"])
    assert isinstance(launcher, HereLauncher), "another is refused as the command is read"
    launcher.check(plan)
    plan.store.check_writable()
    for planned in plan.runs:
        add_requests(plan.store.run(planned.id), planned.asked)
    return launcher.train(plan) or (ExitCode.UNFINISHED if scoring.unfinished else ExitCode.DONE)


def read_order(argv: list[str]) -> Order:
    """The command line; raises `UserError` for all but what chooses runs, says how to score, and where to work."""
    given = arguments.evaluate().parse(argv)
    for text in given.overrides:
        key = text.partition("=")[0]
        if key.partition(".")[0] not in TAKES or key == "metrics.every":
            raise UserError(
                f"{text} is about training, and this program only scores finished runs; it takes "
                f"{', '.join(TAKES)} (choose runs by their ids, --sweep NAME or --where KEY=VALUE)"
            )
    return Order(given.overrides, given.multirun, given.run, given.sweep, given.where)


def make_scoring(order: Order) -> Scoring:
    """Which runs are to be scored and how; raises `UserError` for what cannot be meant of any of them."""
    with hydra():
        grid = list(combinations(parse(order.overrides, order.multirun)))
        for way in grid:
            flat = flatten(way.config)
            check_ranges({key: flat[key] for key in way.given if key in flat})
        shared = grid[0]
        chosen = shared.config["launcher"]
        if not launcher_of(chosen).attached:
            raise UserError(
                "landscape.evaluate works on this machine alone; to score by "
                f"launcher={chosen['kind']} give the sweep's own command with other metrics"
            )
        store = Store(shared.config["store"])
        runs, missing = choose_runs(store, order.ids, order.sweeps, order.where)
        scoring = Scoring(Plan(order.overrides, []), len(runs) + len(missing), 0, missing, bool(missing))
        execution = {key: shared.config[key] for key in ("device", "threads", "launcher")}
        ways: dict[str, list[Composed]] = {}  # by kind of data, whose file may set metrics too
        data: dict[str, Dataset] = {}
        refused: list[UserError] = []
        for run in runs:
            try:
                state = run.status().state
                if state != DONE:
                    scoring.alone.append(f"{run.id}: {state}")
                    scoring.unfinished |= state != DIVERGED
                    continue
                if not run.weights.exists():
                    scoring.alone.append(f"{run.id}: its weights are not kept ({run.weights} is gone)")
                    continue
                frozen = run.config() | {"store": str(store.root), **execution}
                kind, content = frozen["data"]["kind"], frozen["data"]["content"]
                if kind not in ways:
                    ways[kind] = list(combinations(parse([*order.overrides, *_data(kind)], order.multirun)))
                if content not in data:
                    data[content] = load_data(Data(**frozen["data"]), store)
                planned = _plan_run(run, frozen, ways[kind], data[content], scoring.plan.unused)
                planned.state, planned.need = need(run, planned)
            except UserError as e:
                refused.append(e)
                scoring.alone.append(f"{run.id}: {e}")
                continue
            except (CorruptFile, FileNotFoundError) as e:
                scoring.alone.append(f"{run.id}: {e}")
                scoring.unfinished = True
                continue
            if planned.need == NOTHING:
                scoring.scored += 1
            else:
                scoring.plan.runs.append(planned)
    if refused and not scoring.plan.runs and not scoring.scored:
        raise UserError(Counter(str(e) for e in refused).most_common(1)[0][0])
    return scoring


def _data(kind: str) -> list[str]:
    """The override that chooses data of a kind; none where the choice has gone from `conf/`."""
    names = [name for name in groups()["data"] if read_choice("data", name)["data"]["kind"] == kind]
    return [f"data={kind if kind in names else names[0]}"] if names else []


def _plan_run(run: RunFolder, frozen: dict[str, Any], ways: list[Composed], data: Dataset, unused: set[str]) -> Planned:
    """What is asked of one run; its configuration is the frozen one but for the scores."""
    facts = axes_of(frozen)
    told = [axis for axis in AXES if axis.mark or axis.name == "seed"]
    label = [f"{axis.name}={facts[axis.name]}" for axis in told if not (axis.added and facts[axis.name] == axis.plain)]
    planned = Planned(run.id, frozen, [*label, f"({run.id[:8]})"], [])
    for way in ways:
        config = frozen | {"metrics": _metrics(way, frozen, data, unused), "data": dict(frozen["data"])}
        settle_metrics(config, data)
        asked = EvalRequest.of(config)
        if asked is None:
            raise UserError("no scores are asked for; choose metrics=classifier, or metrics.scores=[fid]")
        if asked not in planned.asked:
            planned.asked.append(asked)
            planned.config = config
    return planned


def _metrics(way: Composed, frozen: dict[str, Any], data: Dataset, unused: set[str]) -> dict[str, Any]:
    """How to score: by the choice that was made, else as the run was asked to at first, but for the keys given."""
    given = [key.partition(".")[2] for key in way.given if key.startswith("metrics.")]
    if "metrics" in way.chosen:
        chosen = way._replace(config=copy_tree(way.config))
        drop_unused(chosen, "metrics", unused)
        return dict(chosen.config["metrics"])
    own = {f.name: frozen["metrics"].get(f.name) for f in fields(Metrics)}
    if not own["scores"]:
        raise UserError("it was trained with metrics=none; choose how to score it, as in metrics=classifier")
    if "extractor" in given and way.config["metrics"]["extractor"] != own["extractor"]:
        raise UserError("metrics.extractor is not changed by itself; choose with metrics=NAME all that goes with it")
    choices = [
        name for name in groups()["metrics"] if read_choice("metrics", name).get("extractor") == own["extractor"]
    ]
    used = {key for name in choices for key in mentioned("metrics", name)}
    unused |= {f"metrics.{key} by the runs' own protocol" for key in given if key not in used}
    kept = None if own["weights_sha256"] is None else Store(frozen["store"]).weights_file(own["weights_sha256"])
    if kept is not None and kept.exists():
        own["weights"] = str(kept)  # the file that they came from may have gone
    if "n_fake" not in given and own["n_fake"] == len(data.part(own["real"])):
        own["n_fake"] = None  # as many as there are real ones, of whichever part
    return own | {key: way.config["metrics"][key] for key in given if key in used}


def describe(scoring: Scoring) -> list[str]:
    """Counts, the protocols, and the runs that are left alone."""
    runs, n = scoring.plan.runs, scoring.chosen
    lines = [
        f"{plural(n, 'run')}: {len(runs)} to score, {scoring.scored} scored so already, {len(scoring.alone)} left alone"
    ]
    asked = {one.id: one for planned in runs for one in planned.asked}
    for one in asked.values():
        told = ("extractor", "real", "n_fake", "quantise", "seed", "generator")
        lines.append(f"{', '.join(one.scores)}: " + ", ".join(f"{key}={getattr(one, key)}" for key in told))
    if scoring.plan.unused:
        lines.append("set aside as unused: " + "; ".join(sorted(scoring.plan.unused)))
    lines += [f"left alone: {sentence}" for sentence in scoring.alone[:SHOWN]]
    if len(scoring.alone) > SHOWN:
        lines.append(f"and {len(scoring.alone) - SHOWN} more")
    return lines
