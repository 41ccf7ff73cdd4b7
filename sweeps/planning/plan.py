"""A plan: which runs a command means, what each still needs, and how they are frozen into the store."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from landscape.config.errors import UserError
from landscape.config.identity import axes, check_current, flatten, identity, run_id, short_hash
from landscape.config.schema import Stop
from landscape.config.versions import Change, changes_of
from landscape.store import protocols
from landscape.store.atomic_io import CorruptFile, to_json, to_yaml, write_whole
from landscape.store.early_stopping import may_stop
from landscape.store.provenance import code, slow_bf16
from landscape.store.store import DONE, FINISHED, PLANNED, STOPPED, RunFolder, Store
from landscape.store.trials import Row, is_settled, read_rows
from sweeps.credentials import without_password
from sweeps.launchers.devices import visible_gpus
from sweeps.planning.composition import Composed, combinations, hydra
from sweeps.planning.finalize import Contradiction, OfData, dataset, settle, side, weights
from sweeps.planning.labels import CELL
from sweeps.planning.overrides import parse
from sweeps.planning.search_spec import CellSearch, Gathering, check_pruner, write_searches

TRAIN, SCORE, NOTHING = "train", "score", "nothing"
UNREADABLE = "unreadable"  # the state of a run whose files do not read


@dataclass
class Planned:
    """One run of a plan."""

    id: str
    config: dict[str, Any]
    picked: list[str]  # the axes' values, as typed
    fixed: list[str]  # and what all runs of the plan share
    asked: list[dict[str, Any]] = field(default_factory=list)  # the scores wanted of it, one entry a protocol
    state: str = "new"
    need: str = TRAIN

    @property
    def label(self) -> str:
        return " ".join(self.picked) or self.id


@dataclass
class Plan:
    """What a command means; nothing is written yet."""

    command: list[str]
    runs: list[Planned]
    study: str | None = None
    points: int = 0  # of the grid, before equal runs were joined
    excluded: int = 0
    unused: set[str] = field(default_factory=set)
    search: dict[str, Any] = field(default_factory=dict)  # as composed, with `confirm` and `stage` beside it
    confirm: dict[str, Any] = field(default_factory=dict)
    stage: str = "all"
    searches: list[CellSearch] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)  # run id -> what does not read, in a sentence
    settled: int = 0  # trials of its searches whose value is on record, or that were given up
    given_up: int = 0  # the latter alone
    superseded: Counter[Change] = field(default_factory=Counter)  # runs that the store has as they were before these

    @property
    def store(self) -> Store:
        return Store(self.runs[0].config["store"])

    @property
    def storage(self) -> str:
        """Where the trials of its searches are kept; a URL may hold a password, so this is neither shown nor stored."""
        return str(self.search["storage"])

    def needing(self, need: str) -> list[Planned]:
        return [run for run in self.runs if run.need == need]

    @property
    def name(self) -> str:
        """The sweep's name in the store: its study, or "sweep", and a hash of its runs."""
        ids = sorted([run.id for run in self.runs] + [search.id for search in self.searches])
        return f"{self.study or 'sweep'}-{short_hash(ids)}"


def make_plan(overrides: list[str], multirun: bool) -> Plan:
    """Expand a command; raises `UserError` for what cannot be meant.

    Pure but for reading `conf/` and the data, which are decoded into the store's cache where they are not there yet.
    """
    weights.cache_clear()
    dataset.cache_clear()  # files may have changed since another plan of this process
    side.cache_clear()
    shown = [without_password(text) for text in overrides]  # first: what is said of them may not show passwords either
    with hydra():
        command = parse(overrides, multirun)
        plan = Plan([*["-m"] * (multirun and command.study is None), *shown], [], command.study)
        gathering: Gathering | None = None
        seen: dict[str, Planned] = {}
        contradictions: list[str] = []
        for composed in combinations(command):
            plan.points += 1
            if any(_matches(pattern, composed) for pattern in command.exclude):
                plan.excluded += 1
                continue
            cell = " ".join(composed.picked)
            plan.search, plan.confirm, plan.stage = (composed.config[key] for key in ("search", "confirm", "stage"))
            gathering = gathering or Gathering(plan.search)
            try:
                config = settle(composed, plan.unused)
            except Contradiction as e:
                contradictions.append(f"{cell}: {e}" if cell else str(e))
                continue
            except UserError as e:
                of_all = isinstance(e, OfData) and not any(text.startswith("data") for text in composed.picked)
                raise UserError(f"{cell}: {e}" if cell and not of_all else str(e)) from e
            run = run_id(config)
            if run not in seen:
                fixed = [without_password(text) for text in composed.fixed]
                seen[run] = Planned(run, config, composed.picked, fixed)
                plan.runs.append(seen[run])
                gathering.add(run, config, cell_axes(config), [*fixed, *composed.picked], composed.given)
            asked = protocols.request(config)
            if asked is not None and not seen[run].asked:
                seen[run].config = config  # of equal runs the first that is scored is frozen, for its learning curve
            if asked is not None and asked not in seen[run].asked:
                seen[run].asked.append(asked)
    plan.searches = [] if gathering is None else list(gathering.cells.values())
    if contradictions:
        raise UserError("\n".join(contradictions))
    if not plan.runs:
        raise UserError("the study's exclusions leave no run of this grid")
    if plan.stage in ("all", "search"):
        for search in plan.searches:
            check_pruner(search)
    return plan


def _matches(pattern: dict[str, Any], composed: Composed) -> bool:
    """Whether a cell has every choice or value of an exclusion; a list there means any of its members."""
    flat = flatten(composed.config)
    have = {**flat, **{group: choice for group, choice in composed.choices.items() if choice is not None}}
    return all(have.get(k) in (v if isinstance(v, list) else [v]) for k, v in pattern.items())


def survey(plan: Plan) -> None:
    """Fill in each run's state and need from the store, one small file a run.

    A run whose files do not read is neither trusted nor overwritten: it is named in `plan.unreadable` and left out.
    Raises `UserError` where none is left, or where the record of its searches does not read.
    """
    plan.superseded = Counter(change for planned in plan.runs for change in _superseded(plan.store, planned))
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        if not run.path.exists():
            continue
        try:
            planned.state, planned.need = need(run, planned)
        except (CorruptFile, FileNotFoundError) as e:
            planned.state, planned.need = UNREADABLE, NOTHING
            plan.unreadable[planned.id] = f"{e}; mend it or move its folder away"
    try:
        rows = search_rows(plan) if plan.searches else []
        plan.settled, plan.given_up = sum(map(is_settled, rows)), sum(bool(r.get("failed")) for r in rows)
    except CorruptFile as e:
        raise UserError(f"{e}; move it away: it is made again") from e
    if len(plan.unreadable) == len(plan.runs):
        raise UserError("\n".join(plan.unreadable.values()))


def _superseded(store: Store, planned: Planned) -> list[Change]:
    """The changes before which the store has this run, under the id that it had then."""
    changes = changes_of(flatten(planned.config))
    olds = (store.run(run_id(planned.config, before)) for before in range(1, len(changes) + 1))
    return [change for change, old in zip(reversed(changes), olds, strict=True) if old.path.exists()]


def need(run: RunFolder, planned: Planned) -> tuple[str, str]:
    """A run's status in the store and what the plan still needs of it; raises `CorruptFile`, and `UserError` for a run
    of a superseded version."""
    try:
        check_current(run.id, run.config())
        same = run_id(run.config()) == run.id
    except (KeyError, TypeError, AttributeError) as e:
        raise CorruptFile(f"{run.config_file} lacks what a run's configuration has ({e})") from e
    if not same:
        raise CorruptFile(f"{run.config_file} is not what was frozen: it hashes to another run")
    run.rows()
    status = run.status()
    state = str(status["status"])
    if state not in FINISHED or (state == STOPPED and not may_stop(Stop(**planned.config.get("stop", {})))):
        return state, TRAIN
    wants = state == DONE and any(protocols.missing_scores(asked, status) for asked in planned.asked)
    return state, SCORE if wants else NOTHING


def search_rows(plan: Plan) -> list[Row]:
    """The record's rows of the plan's searches."""
    ids = {search.id for search in plan.searches}
    return [r for r in read_rows(plan.store, plan.name) if r["search"] in ids]


def is_met(plan: Plan, planned: Planned) -> bool:
    """Whether the store holds all that the plan wants of a run now; what does not read is not met."""
    try:
        return need(plan.store.run(planned.id), planned)[1] == NOTHING
    except (CorruptFile, OSError):
        return False


def execution(planned: Planned) -> dict[str, Any]:
    """How and where this command wants a run trained: no part of what it is, so it is not frozen with it."""
    keys = ("device", "threads", "checkpoint", "stop", "logger")
    return {key: planned.config[key] for key in keys if key in planned.config}


def freeze(plan: Plan) -> set[str]:
    """Write what is new of a plan: run folders, requests for further scores, and the sweep's own record.

    The runs that it created.
    """
    store, name = plan.store, plan.name
    store.check_writable()
    code()  # asked once, before the threads would each
    with ThreadPoolExecutor(16) as threads:  # a run's files wait for the disk, not for the processor
        made = list(threads.map(lambda planned: freeze_run(store, planned, plan.command, name), plan.runs))
    file = store.sweep(name).plan_file
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "command": plan.command,
        "study": plan.study,
        "stage": plan.stage,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "code": code(),
        "launcher": plan.runs[0].config["launcher"],
        "execution": execution(plan.runs[0]),
        "runs": [run.id for run in plan.runs],
    }
    write_whole(file, to_json(record), alone=True)
    if plan.searches:
        write_searches(store, name, plan.search["storage"], plan.searches)
    return {planned.id for planned, created in zip(plan.runs, made, strict=True) if created}


def freeze_run(store: Store, planned: Planned, command: list[str], sweep: str) -> bool:
    """Write a run's folder where there is none, and requests for the scores that it lacks; whether it was created."""
    run, created = store.run(planned.id), False
    if planned.state == UNREADABLE:
        return False
    if not run.exists():
        overrides = planned.fixed + planned.picked
        meta = {"overrides": overrides, "command": command, "sweep": sweep, "planned": code(), "machines": []}
        created = run.create(planned.config, meta, {"status": PLANNED, "axes": axes(planned.config)})
        planned.state = PLANNED
    if planned.need != NOTHING:
        add_requests(run, planned.asked)
    return created


def add_requests(run: RunFolder, wanted: list[dict[str, Any]]) -> None:
    """Ask an existing run for the scores that its own configuration does not name."""
    own = protocols.request(run.config())
    for asked in wanted:
        name = protocols.request_id(asked)
        if own is not None and protocols.request_id(own) == name and set(asked["scores"]) <= set(own["scores"]):
            continue
        file = run.request_file(name)
        before = run.read_request(file)["scores"] if file.exists() else []
        run.requests.mkdir(exist_ok=True)
        write_whole(file, to_yaml({**asked, "scores": sorted({*before, *asked["scores"]})}))


def cell_axes(config: dict[str, Any]) -> dict[str, Any]:
    """The axes that name a run's cell."""
    facts = axes(config)
    return {key: facts[key] for key in CELL}


class Cell(NamedTuple):
    """What a plan holds of one cell of the grid."""

    name: tuple[str, ...]  # data, arch, loss, penalty, norm, n_dis
    settings: int  # distinct but for seed and repeat
    runs: int


def cells(plan: Plan) -> list[Cell]:
    """The cells of a plan in the order of its runs, with how many settings and runs each has."""
    found: dict[tuple[str, ...], list[str]] = {}
    for planned in plan.runs:
        facts = axes(planned.config)
        flat = {k: v for k, v in identity(planned.config).items() if k not in ("seed", "repeat")}
        found.setdefault(tuple(str(facts[key]) for key in CELL), []).append(short_hash(flat))
    return [Cell(name, len(set(settings)), len(settings)) for name, settings in found.items()]


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines: counts, and what was set aside."""
    n = len(plan.runs)
    train, score, rest = (len(plan.needing(need)) for need in (TRAIN, SCORE, NOTHING))
    rest -= len(plan.unreadable)
    lines = [f"{n} run{'s' * (n != 1)}: {train} to train, {score} only to score, {rest} finished"]
    if plan.unreadable:
        lines[0] += f", {len(plan.unreadable)} left out, for they do not read"
    if plan.stage == "search":
        lines[0] += "; stage=search leaves them alone"
    states = Counter(run.state for run in plan.runs if run.state != "new")
    if states:
        lines.append("in the store: " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
    for change, count in plan.superseded.items():
        lines.append(
            f"{count} of them {'are' if count > 1 else 'is'} in the store as trained before {change.when}, when "
            f"{change.choice} meant something else ({change.why}): under other ids, and counted for nothing here"
        )
    if plan.excluded:
        lines.append(f"{plan.excluded} of {plan.points} points of the grid are left out by the study's exclusions")
    joined = plan.points - plan.excluded - n
    if joined:
        lines.append(
            f"{n + joined} points of the grid are {n} different runs: the others train the same as one of these"
        )
    if plan.searches:
        trials = sum(search.trials for search in plan.searches)
        cells = len(plan.searches)
        lines.append(
            f"beside the grid: search={plan.search['kind']}, {plan.search['trials']} trials in "
            f"{'each of ' * (cells != 1)}{cells} cell{'s' * (cells != 1)}, one seed each: "
            f"{max(0, trials - plan.settled)} of {trials} runs to come"
            f"{f', {plan.given_up} given up' if plan.given_up else ''}"
            f"{'; stage=grid leaves them alone' if plan.stage == 'grid' else ''}"
        )
    todo = [run.config for run in plan.runs if run.need == TRAIN and run.config["train"]["precision"] == "bf16"]
    here = [one["device"] for one in todo if one["launcher"]["kind"] == "local"]  # of a cluster's nodes workers tell
    slow = slow_bf16("bf16", any(device == "cpu" or not visible_gpus() for device in here))
    lines += [f"warning: {slow}"] * (slow is not None)
    if plan.unused and plan.study is None:  # a study's grid does it on purpose
        lines.append("set aside as unused: " + "; ".join(sorted(plan.unused)))
    return lines
