"""Plans: the runs and searches that a command describes, and what each run still needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landscape.config.axes import cell_of
from landscape.config.errors import UserError
from landscape.config.identity import flatten, run_id, short_hash
from landscape.config.versions import Change
from landscape.store import RunFolder, Store
from landscape.store.protocols import EvalRequest
from landscape.store.searches import SearchSpec
from sweeps.credentials import without_password
from sweeps.planning.search_spec import SearchPlanner, check_pruner, trials_left

if TYPE_CHECKING:
    from sweeps.planning.composition import Composed

TRAIN, SCORE, NOTHING = "train", "score", "nothing"
NEW = "new"  # the state of a run that the store does not have
UNREADABLE = "unreadable"  # the state of a run whose files cannot be read


@dataclass
class Planned:
    """One run of a plan."""

    id: str
    config: dict[str, Any]
    picked: list[str]  # the axes' values, as typed
    fixed: list[str]  # what all runs of the plan share, as typed
    asked: list[EvalRequest] = field(default_factory=list)  # the scores wanted of it, one entry a protocol
    state: str = NEW
    need: str = TRAIN
    shorter: RunFolder | None = None  # the run of the store that a new run continues ...
    done: int = 0  # ... and its D updates

    @property
    def label(self) -> str:
        """What tells it from other runs of the plan, else its id."""
        return " ".join(self.picked) or self.id


@dataclass
class Plan:
    """The runs and searches of a command. Making a plan writes nothing."""

    command: list[str]
    runs: list[Planned]
    study: str | None = None
    points: int = 0  # of the grid; equal points are one run
    excluded: int = 0
    unused: set[str] = field(default_factory=set)
    named: str | None = None  # name of a sweep whose runs grow in number, so that they cannot name it: a race
    search: dict[str, Any] = field(default_factory=dict)  # the group `search` as composed
    confirm: dict[str, Any] = field(default_factory=dict)
    stage: str = "all"
    canary: str = "auto"
    searches: list[SearchSpec] = field(default_factory=list)
    early: list[Planned] = field(default_factory=list)  # idle workers may begin these; the plan is met without them
    unreadable: dict[str, str] = field(default_factory=dict)  # run id -> error message
    settled: int = 0  # trials of its searches that have a value or were given up
    given_up: int = 0  # trials that were given up
    superseded: Counter[Change] = field(
        default_factory=Counter
    )  # change of meaning -> runs in the store from before it
    unkept: int = 0  # new runs with a shorter run in the store whose last checkpoint was not kept
    bound: Counter[str] = field(default_factory=Counter)  # setting that depends on the length -> such new runs

    @property
    def store(self) -> Store:
        """The store of its runs."""
        return Store(self.runs[0].config["store"])

    @property
    def storage(self) -> str:
        """The storage of its searches' trials. Do not show or store it: a URL may hold a password."""
        return str(self.search["storage"])

    @property
    def trials_left(self) -> int:
        """The number of trials of its searches that have no value and were not given up."""
        return trials_left(self.store, self.name, self.searches)

    def needing(self, need: str) -> list[Planned]:
        """The runs with this need."""
        return [run for run in self.runs if run.need == need]

    @property
    def name(self) -> str:
        """The sweep's name in the store: its study, or "sweep", and a hash of its runs."""
        if self.named is not None:
            return self.named
        ids = sorted([run.id for run in self.runs] + [search.id for search in self.searches])
        return f"{self.study or 'sweep'}-{short_hash(ids)}"


def make_plan(overrides: list[str], multirun: bool) -> Plan:
    """Expand a command into a plan; raises `UserError` for an invalid one.

    Reads `conf/` and the data, and decodes the data into the store's cache if necessary.
    """
    # Slow to import, and a plan that is read from the store does not need them.
    from sweeps.planning.composition import combinations, hydra
    from sweeps.planning.finalize import ConflictingChoices, DataError, dataset, finalize, side, weights
    from sweeps.planning.overrides import parse

    weights.cache_clear()
    dataset.cache_clear()  # files may have changed since another plan of this process
    side.cache_clear()
    shown = [without_password(text) for text in overrides]  # first, so that no error message shows a password
    with hydra():
        command = parse(overrides, multirun)
        plan = Plan([*["-m"] * (multirun and command.study is None), *shown], [], command.study)
        gathering: SearchPlanner | None = None
        seen: dict[str, Planned] = {}
        contradictions: list[str] = []
        for composed in combinations(command):
            plan.points += 1
            if any(_matches(pattern, composed) for pattern in command.exclude):
                plan.excluded += 1
                continue
            cell = " ".join(composed.picked)
            plan.search, plan.confirm, plan.stage = (composed.config[key] for key in ("search", "confirm", "stage"))
            plan.canary = composed.config["canary"]
            gathering = gathering or SearchPlanner(plan.search)
            try:
                config = finalize(composed, plan.unused)
            except ConflictingChoices as e:
                contradictions.append(f"{cell}: {e}" if cell else str(e))
                continue
            except UserError as e:
                of_all = isinstance(e, DataError) and not any(text.startswith("data") for text in composed.picked)
                raise UserError(f"{cell}: {e}" if cell and not of_all else str(e)) from e
            run = run_id(config)
            if run not in seen:
                fixed = [without_password(text) for text in composed.fixed]
                seen[run] = Planned(run, config, composed.picked, fixed)
                plan.runs.append(seen[run])
                gathering.add(run, config, cell_of(config), [*fixed, *composed.picked], composed.given)
            asked = EvalRequest.of(config)
            if asked is not None and not seen[run].asked:
                seen[run].config = config  # freeze the first of equal runs that is scored while it trains
            if asked is not None and asked not in seen[run].asked:
                seen[run].asked.append(asked)
    plan.searches = [] if gathering is None else list(gathering.cells.values())
    if contradictions:
        raise UserError("\n".join(contradictions))
    if not plan.runs:
        raise UserError("the study excludes every point of this grid")
    if plan.stage in ("all", "search"):
        for search in plan.searches:
            check_pruner(search)
    return plan


def _matches(pattern: dict[str, Any], composed: Composed) -> bool:
    """Whether a point has every choice or value of an exclusion pattern; a list means any of its members."""
    flat = flatten(composed.config)
    have = {**flat, **{group: choice for group, choice in composed.choices.items() if choice is not None}}
    return all(have.get(k) in (v if isinstance(v, list) else [v]) for k, v in pattern.items())


def execution(planned: Planned) -> dict[str, Any]:
    """The keys that say how a run is executed; they come from the command, not from the frozen run."""
    keys = ("device", "threads", "checkpoint", "stop", "logger")
    return {key: planned.config[key] for key in keys if key in planned.config}
