"""Compares a plan with the store: what each run still needs."""

from __future__ import annotations

from collections import Counter

from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import check_current, flatten, run_id
from landscape.config.schema import Stop
from landscape.config.versions import Change, changes_of
from landscape.store import DONE, FINISHED, STOPPED, RunFolder, Store
from landscape.store.early_stopping import may_stop
from landscape.store.trials import TrialRecord, read_rows
from sweeps.planning.continuation import find_shorter
from sweeps.planning.plan import NOTHING, SCORE, TRAIN, UNREADABLE, Plan, Planned


def survey(plan: Plan) -> None:
    """Fill in each run's state and need from the store, and the shorter run that a new one continues.

    A run whose files cannot be read is not overwritten: it goes to `plan.unreadable` and is left out. Raises
    `UserError` if no run is left, or if the record of its searches cannot be read.
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
            plan.unreadable[planned.id] = f"{e}; repair it or move its folder away"
    find_shorter(plan)
    try:
        rows = search_rows(plan) if plan.searches else []
        plan.settled, plan.given_up = sum(r.settled for r in rows), sum(r.failed for r in rows)
    except CorruptFile as e:
        raise UserError(f"{e}; move it away, it will be rebuilt") from e
    if len(plan.unreadable) == len(plan.runs):
        raise UserError("\n".join(plan.unreadable.values()))


def _superseded(store: Store, planned: Planned) -> list[Change]:
    """The changes of meaning before which the store has this run, under its id of that time."""
    changes = changes_of(flatten(planned.config))
    olds = (store.run(run_id(planned.config, before)) for before in range(1, len(changes) + 1))
    return [change for change, old in zip(reversed(changes), olds, strict=True) if old.path.exists()]


def need(run: RunFolder, planned: Planned) -> tuple[str, str]:
    """A run's state in the store, and what it still needs for the plan. Raises `CorruptFile`, and `UserError` for a
    superseded run."""
    try:
        check_current(run.id, run.config())
        same = run_id(run.config()) == run.id
    except (KeyError, TypeError, AttributeError) as e:
        raise CorruptFile(f"{run.config_file} is not a complete configuration ({e})") from e
    if not same:
        raise CorruptFile(f"{run.config_file} was changed after it was frozen: its hash is not the run's id")
    run.rows()
    status = run.status()
    state = status.state
    if state not in FINISHED or (state == STOPPED and not may_stop(Stop(**planned.config.get("stop", {})))):
        return state, TRAIN
    wants = state == DONE and any(asked.missing(status) for asked in planned.asked)
    return state, SCORE if wants else NOTHING


def search_rows(plan: Plan) -> list[TrialRecord]:
    """The recorded trials of the plan's searches, each by its first run."""
    ids = {search.id for search in plan.searches}
    return [r for r in read_rows(plan.store, plan.name) if r.search in ids and not r.nth]


def is_met(plan: Plan, planned: Planned) -> bool:
    """Whether the store now has all that the plan needs of a run; False if it cannot be read."""
    try:
        return need(plan.store.run(planned.id), planned)[1] == NOTHING
    except (CorruptFile, OSError):
        return False
