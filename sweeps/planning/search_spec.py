"""The searches of a plan: one for each cell of its grid, as data that any worker can take up from the store."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from landscape.config.errors import UserError
from landscape.config.identity import setting_of, short_hash
from landscape.config.schema import FIXED
from landscape.store import Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.locks import locked
from landscape.store.protocols import EvalRequest
from landscape.store.searches import CellSearch, Searches
from landscape.store.trials import TrialRecord, read_rows
from sweeps.credentials import without_password
from sweeps.planning.search_space import dimensions

NONE = "none"  # the choice that searches nothing
LEARN = ("gp", "tpe")  # samplers that look at values
TRIES = 3  # a trial whose run failed so often is given up
MOST_KILLS = 100  # and one over which so many workers were killed since its run last got further
# Keys of `search` that make a search what it is; its budget may be raised later.
DEFINES = ("kind", "seed", "startup", "rounds", "grid", "pruner", "grace")


class Gathering:
    """The searches of a plan under way: each new run either opens its cell's search or belongs to one."""

    def __init__(self, search: dict[str, Any]) -> None:
        self.search = search
        self.cells: dict[str, CellSearch] = {}

    def add(
        self, run: str, config: dict[str, Any], cell: dict[str, Any], overrides: list[str], given: frozenset[str]
    ) -> None:
        """Take a settled run of the grid into account; `given` are the keys that its command sets."""
        search = self.search
        if search["kind"] == NONE:
            return
        asked = EvalRequest.of(config)
        if asked is None or "fid" not in asked.scores:
            raise UserError(f"search={search['kind']} needs a distance to learn from: metrics.scores must have fid")
        space = dimensions(search["space"], config, given)
        if not space:
            raise UserError(f"search={search['kind']} has nothing to vary: all of search.space is null or unused")
        if search["grid"] and search["kind"] not in LEARN:
            raise UserError(
                f"search.grid=true needs a search that learns ({', '.join(LEARN)}); search={search['kind']} draws "
                "without looking at what is known"
            )
        varied = {key for dimension in space for key in dimension.keys}
        fixed = {key: value for key, value in setting_of(config).items() if key not in varied}
        what = {
            "run": fixed,
            "asked": asked.id,
            "space": space,
            **{key: search[key] for key in DEFINES},
            "seed": FIXED if search["seed"] == FIXED else int(search["seed"]),
        }
        key = short_hash(what)
        if key not in self.cells:
            kept = [text for text in overrides if text.partition("=")[0] not in varied]
            settings = {key: search[key] for key in ("trials", *DEFINES) if key not in ("kind", "grid", "seed")}
            settings |= {"seed": 0, "fresh": False} if what["seed"] == FIXED else {"seed": what["seed"], "fresh": True}
            draws = short_hash([fixed, space, search["kind"]])
            self.cells[key] = CellSearch(key, draws, cell, config, kept, space, search["kind"], grid=[], **settings)
        if search["grid"]:
            self.cells[key].grid.append(run)


def check_pruner(search: CellSearch) -> None:
    """Raise `UserError` where a pruner could never end a run: it is not asked at step 0, nor at the last step."""
    asked = search.evaluations - 1
    if search.pruner != "none" and asked < search.grace:
        raise UserError(
            f"search.pruner={search.pruner} with search.grace={search.grace} could end no run of {search.label}: there "
            f"are {asked} evaluations between its start and its end; give metrics.every=N below train.steps="
            f"{search.base['train']['steps']}, or a smaller search.grace"
        )


def trials_left(
    store: Store, sweep: str, searches: Iterable[CellSearch] | None = None, rows: Iterable[TrialRecord] | None = None
) -> int:
    """How many trials of a sweep's searches (all of them, unless some are given) its record has neither a value of nor
    given up; `rows` are the record's, where they have been read."""
    searches = read_searches(store, sweep).cells if searches is None else searches
    settled = Counter(r.search for r in (read_rows(store, sweep) if rows is None else rows) if r.settled)
    return sum(max(0, search.trials - settled[search.id]) for search in searches)


def workers_of(searches: list[CellSearch], parallel: int | None) -> int:
    """How many jobs of a cluster work on searches: as many as may run at once, else ten for each cell, as many as a
    round of the study had settings."""
    return min(parallel or 10 * len(searches), sum(search.trials for search in searches))


def write_searches(store: Store, name: str, storage: str, cells: list[CellSearch]) -> Searches:
    """Put a sweep's searches into the store, with the token of an earlier plan, where their trials' seeds came from
    there, and of searches that have begun the size of their rounds."""
    file = store.search_file(name)
    with locked(store.search_storage(name, ".plan.lock")):  # two first launches at once agree on the token
        earlier = read_searches(store, name) if file.exists() else Searches(uuid.uuid4().hex[:16], storage, ())
        begun = {r.search for r in read_rows(store, name)}
        sizes = {cell.id: cell.round_size for cell in earlier.cells if cell.id in begun}
        cells = [replace(cell, per_round=sizes.get(cell.id)) if cell.rounds else cell for cell in cells]
        fresh = {cell.id: cell.fresh for cell in earlier.cells}
        cells = [replace(cell, fresh=fresh.get(cell.id, cell.fresh)) for cell in cells]
        searches = Searches(earlier.token, without_password(storage), tuple(cells))
        write_whole(file, to_json(searches.to_json()))
    return searches


def read_searches(store: Store, name: str) -> Searches:
    """A sweep's searches; raises `UserError` where it has none, `CorruptFile`."""
    try:
        return store.sweep(name).searches()
    except FileNotFoundError:
        names = ", ".join(store.sweep_names()) or "none"
        raise UserError(f"sweep {name} has no search in {store.root}; sweeps there: {names}") from None
