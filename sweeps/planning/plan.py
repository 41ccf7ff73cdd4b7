"""A plan: which runs a command means, what each still needs, and how they are frozen into the store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landscape.config.axes import cell_of
from landscape.config.errors import UserError
from landscape.config.identity import flatten, run_id, short_hash
from landscape.config.versions import Change
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.searches import CellSearch
from sweeps.credentials import without_password
from sweeps.planning.search_spec import Gathering, check_pruner, trials_left

if TYPE_CHECKING:
    from sweeps.planning.composition import Composed

TRAIN, SCORE, NOTHING = "train", "score", "nothing"
UNREADABLE = "unreadable"  # the state of a run whose files do not read


@dataclass
class Planned:
    """One run of a plan."""

    id: str
    config: dict[str, Any]
    picked: list[str]  # the axes' values, as typed
    fixed: list[str]  # and what all runs of the plan share
    asked: list[EvalRequest] = field(default_factory=list)  # the scores wanted of it, one entry a protocol
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

    @property
    def trials_left(self) -> int:
        """How many trials of its searches the store's record has neither a value of nor given up."""
        return trials_left(self.store, self.name, self.searches)

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
    # Hydra and the data take their time, and a plan that is read back composes nothing.
    from sweeps.planning.composition import combinations, hydra
    from sweeps.planning.finalize import Contradiction, OfData, dataset, settle, side, weights
    from sweeps.planning.overrides import parse

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
                gathering.add(run, config, cell_of(config), [*fixed, *composed.picked], composed.given)
            asked = EvalRequest.of(config)
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


def execution(planned: Planned) -> dict[str, Any]:
    """How and where this command wants a run trained: no part of what it is, so it is not frozen with it."""
    keys = ("device", "threads", "checkpoint", "stop", "logger")
    return {key: planned.config[key] for key in keys if key in planned.config}
