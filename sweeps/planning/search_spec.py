"""The searches of a plan: one per cell of its grid, as data that workers read from the store."""

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
from landscape.store.searches import SearchSpec, SweepSearches
from landscape.store.trials import TrialRecord, read_rows
from sweeps.credentials import without_password
from sweeps.planning.search_space import dimensions

NONE = "none"  # no search
ADAPTIVE = ("gp", "tpe")  # samplers that use results
MAX_FAILURES = 3  # of a trial's run, before the trial is given up
MAX_KILLS = 100  # of a trial's workers since its run last advanced, before the trial is given up
# Keys of `search` that the id of a search covers; its budget may be raised later.
SPEC_KEYS = ("kind", "seed", "startup", "rounds", "grid", "pruner", "grace")


class SearchPlanner:
    """Collects the searches of a plan: one for each cell of its runs."""

    def __init__(self, search: dict[str, Any]) -> None:
        self.search = search
        self.cells: dict[str, SearchSpec] = {}

    def add(
        self, run: str, config: dict[str, Any], cell: dict[str, Any], overrides: list[str], given: frozenset[str]
    ) -> None:
        """Add a run of the grid; `given` are the keys of its command. Raises `UserError` for an invalid search."""
        search = self.search
        if search["kind"] == NONE:
            return
        asked = EvalRequest.of(config)
        if asked is None or "fid" not in asked.scores:
            raise UserError(f"search={search['kind']} needs a distance to minimize: metrics.scores must include fid")
        space = dimensions(search["space"], config, given)
        if not space:
            raise UserError(f"search={search['kind']} has nothing to vary: all of search.space is null or unused")
        if search["grid"] and search["kind"] not in ADAPTIVE:
            raise UserError(
                f"search.grid=true needs a search that uses results ({', '.join(ADAPTIVE)}), and "
                f"search={search['kind']} does not"
            )
        varied = {key for dimension in space for key in dimension.keys}
        if search["seeds"] > 1 and search["pruner"] != NONE:
            raise UserError(
                f"search.seeds={search['seeds']} with search.pruner={search['pruner']}: a pruner compares single runs; "
                "use search.pruner=none or search.seeds=1"
            )
        fixed = {key: value for key, value in setting_of(config).items() if key not in varied}
        what = {
            "run": fixed,
            "asked": asked.id,
            "space": space,
            **{key: search[key] for key in SPEC_KEYS},
            "seed": FIXED if search["seed"] == FIXED else int(search["seed"]),
        }
        if search["seeds"] > 1:  # at 1 a search has the id that it had before there was the key
            what["seeds"] = search["seeds"]
        key = short_hash(what)
        if key not in self.cells:
            kept = [text for text in overrides if text.partition("=")[0] not in varied]
            settings = {
                key: search[key] for key in ("trials", "seeds", *SPEC_KEYS) if key not in ("kind", "grid", "seed")
            }
            settings |= {"seed": 0, "fresh": False} if what["seed"] == FIXED else {"seed": what["seed"], "fresh": True}
            draws = short_hash([fixed, space, search["kind"]])
            self.cells[key] = SearchSpec(key, draws, cell, config, kept, space, search["kind"], grid=[], **settings)
        if search["grid"]:
            self.cells[key].grid.append(run)


def check_pruner(search: SearchSpec) -> None:
    """Raise `UserError` if a pruner could never end a run: it is not asked at step 0 or at the last step."""
    asked = search.evaluations - 1
    if search.pruner != "none" and asked < search.grace:
        raise UserError(
            f"search.pruner={search.pruner} with search.grace={search.grace} could never end a run of {search.label}: "
            f"there are {asked} evaluations between its start and its end; set metrics.every=N below train.steps="
            f"{search.base['train']['steps']}, or a smaller search.grace"
        )


def trials_left(
    store: Store, sweep: str, searches: Iterable[SearchSpec] | None = None, rows: Iterable[TrialRecord] | None = None
) -> int:
    """The number of trials without a value that were not given up, of the given searches or of all of the sweep's.

    `rows` is the sweep's trial record, if it has been read already.
    """
    searches = read_searches(store, sweep).cells if searches is None else searches
    settled = Counter(r.search for r in (read_rows(store, sweep) if rows is None else rows) if r.settled and not r.nth)
    return sum(max(0, search.trials - settled[search.id]) for search in searches)


def workers_of(searches: list[SearchSpec], parallel: int | None) -> int:
    """The number of jobs for these searches: `parallel`, else ten per cell (the settings in a round of the study), but
    at most one per trial."""
    return min(parallel or 10 * len(searches), sum(search.trials for search in searches))


def write_searches(store: Store, name: str, storage: str, cells: list[SearchSpec]) -> SweepSearches:
    """Write a sweep's searches into the store. Of an earlier plan they keep the token, of searches in it how trials are
    seeded, and of searches that have begun the round sizes."""
    file = store.search_file(name)
    with locked(store.search_storage(name, ".plan.lock")):  # concurrent first launches must agree on the token
        earlier = read_searches(store, name) if file.exists() else SweepSearches(uuid.uuid4().hex[:16], storage, ())
        begun = {r.search for r in read_rows(store, name)}
        sizes = {cell.id: cell.round_size for cell in earlier.cells if cell.id in begun}
        cells = [replace(cell, per_round=sizes.get(cell.id)) if cell.rounds else cell for cell in cells]
        fresh = {cell.id: cell.fresh for cell in earlier.cells}
        cells = [replace(cell, fresh=fresh.get(cell.id, cell.fresh)) for cell in cells]
        searches = SweepSearches(earlier.token, without_password(storage), tuple(cells))
        write_whole(file, to_json(searches.to_json()))
    return searches


def read_searches(store: Store, name: str) -> SweepSearches:
    """Read a sweep's searches; raises `UserError` if it has none, and `CorruptFile`."""
    try:
        return store.sweep(name).searches()
    except FileNotFoundError:
        names = ", ".join(store.sweep_names()) or "none"
        raise UserError(f"sweep {name} has no search in {store.root}; sweeps there: {names}") from None
