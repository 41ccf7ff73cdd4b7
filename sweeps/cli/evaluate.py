"""`python -m landscape.evaluate`: score finished runs under another protocol with their stored generators."""

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
from sweeps.cli.arguments import SCORING_KEYS
from sweeps.console import tell
from sweeps.errors import run_command
from sweeps.launchers.attached import AttachedLauncher
from sweeps.launchers.registry import launcher_of
from sweeps.planning.composition import Composed, combinations, hydra
from sweeps.planning.config_groups import copy_tree, groups, mentioned, read_choice
from sweeps.planning.finalize import finalize_metrics, null_unused_keys
from sweeps.planning.freeze import add_requests
from sweeps.planning.needs import need
from sweeps.planning.overrides import parse
from sweeps.planning.plan import NOTHING, Plan, Planned
from sweeps.planning.select_runs import choose_runs

MAX_SHOWN = 10  # skipped runs


@dataclass
class Arguments:
    """A parsed command line."""

    overrides: list[str]
    multirun: bool
    ids: list[str]
    sweeps: list[str]
    where: list[str]


@dataclass
class Scoring:
    """Which runs to score and how; nothing is written yet."""

    plan: Plan
    chosen: int
    scored: int = 0  # have all requested scores
    skipped: list[str] = field(default_factory=list)  # run id and reason, in a sentence
    unfinished: bool = False  # whether one of those is missing or not fully trained


def main(argv: list[str]) -> int:
    """Run the command line (without the program's name); returns the exit code."""
    return run_command(lambda: evaluate(argv))


def evaluate(argv: list[str]) -> int:
    """Parse and run the command line; returns the exit code. Raises `UserError`."""
    scoring = make_scoring(parse_arguments(argv))
    for line in describe(scoring):
        tell(line)
    plan = scoring.plan
    if not plan.runs:
        tell("nothing to do")
        return ExitCode.UNFINISHED if scoring.unfinished else ExitCode.DONE
    launcher = launcher_of(plan.runs[0].config["launcher"])
    assert isinstance(launcher, AttachedLauncher), "another is refused as the command is read"
    launcher.check(plan)
    plan.store.check_writable()
    for planned in plan.runs:
        add_requests(plan.store.run(planned.id), planned.asked)
    return launcher.train(plan) or (ExitCode.UNFINISHED if scoring.unfinished else ExitCode.DONE)


def parse_arguments(argv: list[str]) -> Arguments:
    """Parse a command line; raises `UserError` for keys that only matter for training."""
    given = arguments.evaluate().parse(argv)
    for text in given.overrides:
        key = text.partition("=")[0]
        if key.partition(".")[0] not in SCORING_KEYS or key == "metrics.every":
            raise UserError(
                f"{text} only matters for training, and this program scores finished runs; it takes "
                f"{', '.join(SCORING_KEYS)} (choose runs by id, --sweep NAME or --where KEY=VALUE)"
            )
    return Arguments(given.overrides, given.multirun, given.run, given.sweep, given.where)


def make_scoring(given: Arguments) -> Scoring:
    """Choose the runs and how to score them; raises `UserError` if the protocol fits none of them."""
    with hydra():
        grid = list(combinations(parse(given.overrides, given.multirun)))
        for way in grid:
            flat = flatten(way.config)
            check_ranges({key: flat[key] for key in way.given if key in flat})
        shared = grid[0]
        chosen = shared.config["launcher"]
        if not launcher_of(chosen).attached:
            raise UserError(
                "landscape.evaluate only works on this machine; to score with "
                f"launcher={chosen['kind']} run the sweep's own command with other metrics"
            )
        store = Store(shared.config["store"])
        runs, missing = choose_runs(store, given.ids, given.sweeps, given.where)
        scoring = Scoring(Plan(given.overrides, []), len(runs) + len(missing), 0, missing, bool(missing))
        execution = {key: shared.config[key] for key in ("device", "threads", "launcher")}
        ways: dict[str, list[Composed]] = {}  # by kind of data, whose file may set metrics too
        data: dict[str, Dataset] = {}
        refused: list[UserError] = []
        for run in runs:
            try:
                state = run.status().state
                if state != DONE:
                    scoring.skipped.append(f"{run.id}: {state}")
                    scoring.unfinished |= state != DIVERGED
                    continue
                if not run.weights.exists():
                    scoring.skipped.append(f"{run.id}: its weights are missing ({run.weights})")
                    continue
                frozen = run.config() | {"store": str(store.root), **execution}
                kind, content = frozen["data"]["kind"], frozen["data"]["content"]
                if kind not in ways:
                    ways[kind] = list(combinations(parse([*given.overrides, *_data(kind)], given.multirun)))
                if content not in data:
                    data[content] = load_data(Data(**frozen["data"]), store)
                planned = _plan_run(run, frozen, ways[kind], data[content], scoring.plan.unused)
                planned.state, planned.need = need(run, planned)
            except UserError as e:
                refused.append(e)
                scoring.skipped.append(f"{run.id}: {e}")
                continue
            except (CorruptFile, FileNotFoundError) as e:
                scoring.skipped.append(f"{run.id}: {e}")
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
    """The override that chooses data of this kind; none if `conf/` no longer has such a choice."""
    names = [name for name in groups()["data"] if read_choice("data", name)["data"]["kind"] == kind]
    return [f"data={kind if kind in names else names[0]}"] if names else []


def _plan_run(run: RunFolder, frozen: dict[str, Any], ways: list[Composed], data: Dataset, unused: set[str]) -> Planned:
    """The requests for one run; its configuration is the frozen one, except for the scores."""
    facts = axes_of(frozen)
    told = [axis for axis in AXES if axis.mark or axis.name == "seed"]
    label = [f"{axis.name}={facts[axis.name]}" for axis in told if not (axis.added and facts[axis.name] == axis.plain)]
    planned = Planned(run.id, frozen, [*label, f"({run.id[:8]})"], [])
    for way in ways:
        config = frozen | {"metrics": _metrics(way, frozen, data, unused), "data": dict(frozen["data"])}
        finalize_metrics(config, data)
        asked = EvalRequest.of(config)
        if asked is None:
            raise UserError("no scores are requested; choose metrics=classifier, or metrics.scores=[fid]")
        if asked not in planned.asked:
            planned.asked.append(asked)
            planned.config = config
    return planned


def _metrics(way: Composed, frozen: dict[str, Any], data: Dataset, unused: set[str]) -> dict[str, Any]:
    """The `metrics` keys: those of the given choice, else of the run's own protocol, with the given keys set."""
    given = [key.partition(".")[2] for key in way.given if key.startswith("metrics.")]
    if "metrics" in way.chosen:
        chosen = way._replace(config=copy_tree(way.config))
        null_unused_keys(chosen, "metrics", unused)
        return dict(chosen.config["metrics"])
    own = {f.name: frozen["metrics"].get(f.name) for f in fields(Metrics)}
    if not own["scores"]:
        raise UserError("the run was trained with metrics=none; choose metrics, as in metrics=classifier")
    if "extractor" in given and way.config["metrics"]["extractor"] != own["extractor"]:
        raise UserError("metrics.extractor cannot be set alone; choose metrics=NAME")
    choices = [
        name for name in groups()["metrics"] if read_choice("metrics", name).get("extractor") == own["extractor"]
    ]
    used = {key for name in choices for key in mentioned("metrics", name)}
    unused |= {f"metrics.{key} by the runs' own protocol" for key in given if key not in used}
    kept = None if own["weights_sha256"] is None else Store(frozen["store"]).weights_file(own["weights_sha256"])
    if kept is not None and kept.exists():
        own["weights"] = str(kept)  # the original file may be gone
    if "n_fake" not in given and own["n_fake"] == len(data.part(own["real"])):
        own["n_fake"] = None  # as many as real images
    return own | {key: way.config["metrics"][key] for key in given if key in used}


def describe(scoring: Scoring) -> list[str]:
    """The plan in lines: counts, the protocols, and the skipped runs."""
    runs, n = scoring.plan.runs, scoring.chosen
    lines = [
        f"{plural(n, 'run')}: {len(runs)} to score, {scoring.scored} already scored, {len(scoring.skipped)} skipped"
    ]
    asked = {one.id: one for planned in runs for one in planned.asked}
    for one in asked.values():
        told = ("extractor", "real", "n_fake", "quantise", "seed", "generator")
        lines.append(f"{', '.join(one.scores)}: " + ", ".join(f"{key}={getattr(one, key)}" for key in told))
    if scoring.plan.unused:
        lines.append("ignored as unused: " + "; ".join(sorted(scoring.plan.unused)))
    lines += [f"skipped: {sentence}" for sentence in scoring.skipped[:MAX_SHOWN]]
    if len(scoring.skipped) > MAX_SHOWN:
        lines.append(f"and {len(scoring.skipped) - MAX_SHOWN} more")
    return lines
