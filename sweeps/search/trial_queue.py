"""One search's trials in shared storage: asked in order, owned by who trains them, told once.

Every look and change happens under one lock of the search, so that workers agree without a server of their own. A trial
whose worker is gone is taken up by the next: the same setting, hence the same run, goes on from its checkpoint. What
is lost is judged as claims of runs are: by the process on this machine, by the run's heartbeat elsewhere.

A kill is not a trial's failure: whoever kills workers, or takes their machine away, would else use up trials, and those
in set-up first. What fails is a run that says so. But a run may kill its worker by itself, each time (it needs more
memory than there is), and from outside that looks the same. So kills are counted apart, since the run last got
further: a trial that has lost some workers waits until nothing new is left to ask, and one that has lost very many is
given up under that name. What was given up can be opened again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from landscape.store.locks import locked
from landscape.store.process_record import ProcessRecord
from landscape.store.searches import CellSearch
from sweeps.planning.search_space import SEED, Params, rounded
from sweeps.planning.search_spec import MOST_KILLS, TRIES
from sweeps.search.samplers import distributions, make_pruner, make_sampler, run_seed
from sweeps.search.storage import close_storage

# Attributes of a trial. (Those that begin with "told" say what its value is.)
GRID, OWNER, TOLD, PRUNED = "grid", "owner", "told", "pruned"
WHY, INSTEAD = "why", "instead"  # why it was given up; the number of the given-up trial in whose place it stands

Owner = Mapping[str, Any]  # a `ProcessRecord`, unless the trial was given back, and what is counted over the trial
IsLost = Callable[[Params, ProcessRecord], bool]  # whether the worker that owns the trial with these parameters is gone
StepOf = Callable[[Params], int]  # the step on record of the run with these parameters, 0 where there is none


class Trial(NamedTuple):
    """A setting to be trained by the process that was given it."""

    number: int  # Optuna's
    order: int  # among the trials of the search, from 0
    params: Params
    again: bool  # whether another worker had begun it


class Told(NamedTuple):
    """A trial as the record shows it."""

    order: int
    params: Params
    value: float | None
    diverged: bool
    state: str  # running, complete or fail
    why: str | None = None  # it was given up


WAIT = "wait"  # others train what must be told first


class Ledger:
    """The trials of one search, as one process sees them; a context, which closes their storage."""

    def __init__(self, search: CellSearch, open_it: Callable[[], BaseStorage], token: str, lock: Path) -> None:
        self.search, self.lock = search, lock
        self.given_up: set[int] = set()  # failed in this process: left to another
        self.me = ProcessRecord.of_this()
        with locked(lock):
            self.storage = open_it()
            try:
                self.study = optuna.create_study(
                    storage=self.storage,
                    study_name=f"landscape-{token}-{search.id}",
                    pruner=make_pruner(search),
                    load_if_exists=True,
                )
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        close_storage(self.storage)

    # Asking

    def next(self, is_lost: IsLost, step_of: StepOf = lambda params: 0) -> Trial | str | None:
        """A trial for this process: one that its worker left, else a new one.

        `WAIT` where a round is not told yet, or others train the last ones; None where nothing is left to do here.
        """
        with locked(self.lock):
            trials = self._trials()
            busy, lost = False, []
            for order, trial in enumerate(trials):
                if trial.state != TrialState.RUNNING:
                    continue
                owner = trial.user_attrs.get(OWNER) or {}
                params = self._params(trial, order)
                if "pid" in owner and not is_lost(params, ProcessRecord.from_json(owner, "a trial")):
                    busy = True
                elif trial.number in self.given_up:
                    continue
                elif why := _hopeless(owner, step := step_of(params)):
                    self.storage.set_trial_user_attr(trial._trial_id, WHY, why)
                    self.study.tell(trial.number, state=TrialState.FAIL)
                else:
                    lost.append((_kills(owner, step), order, step, trial))
            fewest = min(lost, key=lambda one: one[:2], default=None)
            if fewest is None or fewest[0] >= TRIES:
                new = self._new(trials)
                if new is not None:
                    return self._own(new, len(trials), step_of(self._params(new, len(trials))))
            if fewest is None:
                return WAIT if busy else None
            _, order, step, trial = fewest
            return self._own(trial, order, step)

    def _new(self, trials: list[FrozenTrial]) -> FrozenTrial | None:
        """The next trial of the budget, with its round the others of that; None where none may be asked now."""
        first, size = len(trials), self.search.round_size
        missing = self.search.trials - first
        if missing <= 0:
            return None
        if self.search.rounds is None:
            return self._ask(first)
        if first % size == 0 and any(trial.state == TrialState.RUNNING for trial in self._trials()):
            return None
        asked = [self._ask(first + i) for i in range(min(size - first % size, missing))]
        return asked[0]

    def _trials(self) -> list[FrozenTrial]:
        """Trials of the search in the order asked. One whose worker died while asking never was; under the lock
        nobody else asks. One that was opened again stands in the place of that which was given up."""
        found, places = list[FrozenTrial](), dict[int, int]()
        for trial in self.study.get_trials(deepcopy=False):
            if GRID in trial.user_attrs:
                continue
            if INSTEAD in trial.user_attrs:
                place = places[trial.number] = places[trial.user_attrs[INSTEAD]]
                found[place] = trial
            elif len(trial.params) == len(self.search.space):
                places[trial.number] = len(found)
                found.append(trial)
            elif trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)
        return found

    def _ask(self, order: int) -> FrozenTrial:
        self.study.sampler = make_sampler(self.search, order)
        asked = self.study.ask(distributions(self.search.space))
        return self.storage.get_trial(asked._trial_id)

    def _own(self, trial: FrozenTrial, order: int, step: int) -> Trial:
        """Mark a trial as this process's, with the furthest step that its run had when it was taken, the failures of
        its run, and the workers that were killed over it since it got further."""
        before = trial.user_attrs.get(OWNER) or {}
        furthest = max(step, before.get("step", 0))  # after a kill a run goes on from an earlier step
        counts = {"failures": before.get("failures", 0), "kills": _kills(before, step)}
        owner = {**self.me.to_json(), **counts, "step": furthest}
        self.storage.set_trial_user_attr(trial._trial_id, OWNER, owner)
        return Trial(trial.number, order, self._params(trial, order), again=bool(before))

    def _params(self, trial: FrozenTrial, order: int) -> Params:
        found: Params = {d.name: rounded(d, trial.params[d.name]) for d in self.search.space}
        return found | {SEED: run_seed(self.search, order)} if self.search.fresh else found

    def give_back(self, trial: Trial, tried: bool) -> None:
        """Leave a trial to another worker; `tried` says that its run failed, rather than was interrupted."""
        with locked(self.lock):
            frozen = self._find(trial.number)
            owner = frozen.user_attrs[OWNER]
            left = {key: owner.get(key, 0) for key in ("failures", "kills", "step")}
            left["failures"] += tried
            self.storage.set_trial_user_attr(frozen._trial_id, OWNER, left)
        if tried:
            self.given_up.add(trial.number)

    def reopen(self) -> int:
        """Open the trials that were given up again, each in its place and with its setting; how many.

        Optuna changes no trial that has ended, so that another of the same parameters takes its place.
        """
        with locked(self.lock):
            given_up = [t for t in self._trials() if t.state == TrialState.FAIL and TOLD not in t.user_attrs]
            for trial in given_up:
                self.study.add_trial(
                    create_trial(
                        state=TrialState.RUNNING,
                        params=trial.params,
                        distributions=trial.distributions,
                        user_attrs={INSTEAD: trial.number},
                    )
                )
        self.given_up.clear()
        return len(given_up)

    # Telling

    def tell(self, trial: Trial, value: float | None, **about: Any) -> bool:
        """Tell a trial's value with what else is known of it; False where it was told already.

        None, or no finite number: the trial counts as failed, and the sampler learns nothing from it.
        """
        with locked(self.lock):
            frozen = self._find(trial.number)
            if frozen.state != TrialState.RUNNING:
                return False
            try:
                self.storage.set_trial_user_attr(frozen._trial_id, TOLD, about)
                if value is None or not math.isfinite(value):
                    self.study.tell(trial.number, state=TrialState.FAIL)
                else:
                    self.study.tell(trial.number, value)
            except UpdateFinishedTrialError:  # a lock that this disk does not keep between machines
                return False
            return True

    def tell_grid(self, results: dict[str, tuple[Params, float]]) -> None:
        """Tell the sampler of runs of the grid that it does not know yet: run id -> parameters and value."""
        with locked(self.lock):
            known = {trial.user_attrs.get(GRID) for trial in self.study.get_trials(deepcopy=False)}
            for run, (params, value) in results.items():
                if run not in known:
                    space = distributions(self.search.space)
                    told = create_trial(params=params, distributions=space, value=value, user_attrs={GRID: run})
                    self.study.add_trial(told)

    def report(self, trial: Trial, evaluation: int, value: float) -> bool:
        """Report an intermediate value; True where the pruner ends the trial now.

        It judges each evaluation once: a run that is taken up makes some again, and hears what was said of them.
        """
        with locked(self.lock):
            frozen = self._find(trial.number)
            if frozen.state != TrialState.RUNNING:
                return False
            if evaluation in frozen.intermediate_values:
                return bool(frozen.user_attrs.get(PRUNED) == evaluation)
            self.storage.set_trial_intermediate_value(frozen._trial_id, evaluation, value)
            ends = self.study.pruner.prune(self.study, self._find(trial.number))
            if ends:
                self.storage.set_trial_user_attr(frozen._trial_id, PRUNED, evaluation)
            return ends

    # Reading

    def told(self) -> list[Told]:
        """All trials of the search in the order asked, those under way too."""
        with locked(self.lock):
            return [
                Told(
                    order,
                    self._params(trial, order),
                    trial.value,
                    bool(trial.user_attrs.get(TOLD, {}).get("diverged")),
                    trial.state.name.lower(),
                    trial.user_attrs.get(WHY),
                )
                for order, trial in enumerate(self._trials())
            ]

    def _find(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]


def _kills(owner: Owner, step: int) -> int:
    """How many workers were killed over a trial since its run last got further, its last owner included."""
    if step > owner.get("step", 0):
        return 0
    return int(owner.get("kills", 0)) + ("pid" in owner)


def _hopeless(owner: Owner, step: int) -> str | None:
    """Why a trial that nobody trains is given up, if it is."""
    if owner.get("failures", 0) >= TRIES:
        return f"failed {TRIES} times"
    if _kills(owner, step) >= MOST_KILLS:
        return f"lost {MOST_KILLS} workers that were killed with its run no step further (is there enough memory?)"
    return None
