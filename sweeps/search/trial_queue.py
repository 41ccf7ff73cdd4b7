"""The trials of one search in shared storage: asked in order, owned by the worker that trains them, told once.

All access is under one lock of the search, so that workers agree without a server. A trial whose worker has died is
taken over by the next: it has the same setting and so the same run, which resumes from its checkpoint. Dead workers are
detected as for claims of runs: by the process on this machine, by the run's heartbeat elsewhere.

A killed worker is not a failed trial; only a run with status "failed" is. But a run may kill its workers itself, if it
needs more memory than there is. So kills since the run last advanced are counted separately: a trial that has lost a
few workers waits until no new trial is left to ask, and one that has lost very many is given up. Trials that were given
up can be reopened.
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
from landscape.store.searches import SearchSpec
from sweeps.planning.search_space import SEED, Params, rounded
from sweeps.planning.search_spec import MAX_FAILURES, MAX_KILLS
from sweeps.search.samplers import distributions, make_pruner, make_sampler, run_seed
from sweeps.search.storage import close_storage

# Attributes of a trial.
GRID, OWNER, TOLD, PRUNED = "grid", "owner", "told", "pruned"
WHY, INSTEAD = "why", "instead"  # why it was given up; the number of the given-up trial that it replaces

Owner = Mapping[str, Any]  # a `ProcessRecord`, unless the trial was given back, and the counts of the trial
IsLost = Callable[[Params, ProcessRecord], bool]  # whether the owner of the trial with these parameters is dead
StepOf = Callable[[Params], int]  # the recorded step of the run with these parameters, 0 if there is none


class Trial(NamedTuple):
    """A setting that this process is to train."""

    number: int  # Optuna's
    order: int  # among the trials of the search, from 0
    params: Params
    resumed: bool  # whether another worker had started it


class TrialResult(NamedTuple):
    """The state of a trial, for the sweep's record."""

    order: int
    params: Params
    value: float | None
    diverged: bool
    state: str  # running, complete or fail
    why: str | None = None  # why it was given up


WAIT = "wait"  # for trials that other workers train


class TrialQueue:
    """The trials of one search, for one process. A context manager, which closes the storage."""

    def __init__(self, search: SearchSpec, open_it: Callable[[], BaseStorage], token: str, lock: Path) -> None:
        self.search, self.lock = search, lock
        self.given_up: set[int] = set()  # trials that failed in this process: left to another
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
        """Close the storage."""
        close_storage(self.storage)

    # Asking

    def next(self, is_lost: IsLost, step_of: StepOf = lambda params: 0) -> Trial | str | None:
        """Take a trial: one whose worker is gone, else a new one.

        `WAIT` if a round has trials without a value, or if others train the last ones; None if nothing is left here.
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
            if fewest is None or fewest[0] >= MAX_FAILURES:
                new = self._new(trials)
                if new is not None:
                    return self._own(new, len(trials), step_of(self._params(new, len(trials))))
            if fewest is None:
                return WAIT if busy else None
            _, order, step, trial = fewest
            return self._own(trial, order, step)

    def _new(self, trials: list[FrozenTrial]) -> FrozenTrial | None:
        """Ask for the next trial, and for its whole round if there are rounds; None if none may be asked now."""
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
        """The trials of the search in the order asked. One whose worker died while asking is dropped; a reopened one
        takes the place of the one that was given up. The caller holds the lock."""
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
        """Make this process the owner of a trial. The owner record also holds the furthest step of the run when it was
        taken, the failures of the run, and the workers killed since it last advanced."""
        before = trial.user_attrs.get(OWNER) or {}
        furthest = max(step, before.get("step", 0))  # after a kill a run resumes from an earlier step
        counts = {"failures": before.get("failures", 0), "kills": _kills(before, step)}
        owner = {**self.me.to_json(), **counts, "step": furthest}
        self.storage.set_trial_user_attr(trial._trial_id, OWNER, owner)
        return Trial(trial.number, order, self._params(trial, order), resumed=bool(before))

    def _params(self, trial: FrozenTrial, order: int) -> Params:
        found: Params = {d.name: rounded(d, trial.params[d.name]) for d in self.search.space}
        return found | {SEED: run_seed(self.search, order)} if self.search.fresh else found

    def release(self, trial: Trial, tried: bool) -> None:
        """Leave a trial to another worker; `tried`: its run failed, rather than was interrupted."""
        with locked(self.lock):
            frozen = self._find(trial.number)
            owner = frozen.user_attrs[OWNER]
            left = {key: owner.get(key, 0) for key in ("failures", "kills", "step")}
            left["failures"] += tried
            self.storage.set_trial_user_attr(frozen._trial_id, OWNER, left)
        if tried:
            self.given_up.add(trial.number)

    def reopen(self) -> int:
        """Reopen the trials that were given up, each in its place and with its setting; returns how many.

        Optuna cannot change a trial that has ended, so a new one with the same parameters replaces it.
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
        """Tell Optuna a trial's value, and store `about` with it; False if the trial has ended already.

        With None or a non-finite value the trial fails, and samplers ignore it.
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
            except UpdateFinishedTrialError:  # the disk does not keep the lock between machines
                return False
            return True

    def tell_grid(self, results: dict[str, tuple[Params, float]]) -> None:
        """Add runs of the grid, run id -> (parameters, value), as finished trials, unless they were added before."""
        with locked(self.lock):
            known = {trial.user_attrs.get(GRID) for trial in self.study.get_trials(deepcopy=False)}
            for run, (params, value) in results.items():
                if run not in known:
                    space = distributions(self.search.space)
                    trial = create_trial(params=params, distributions=space, value=value, user_attrs={GRID: run})
                    self.study.add_trial(trial)

    def report(self, trial: Trial, evaluation: int, value: float) -> bool:
        """Report an intermediate value; returns whether the pruner ends the trial now.

        Each evaluation is judged once: a resumed run that repeats one gets the same answer.
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

    def results(self) -> list[TrialResult]:
        """All trials of the search in the order asked, including running ones."""
        with locked(self.lock):
            return [
                TrialResult(
                    order,
                    self._params(trial, order),
                    trial.value,
                    bool(trial.user_attrs.get(TOLD, {}).get("diverged")),
                    trial.state.name.lower(),
                    trial.user_attrs.get(WHY),
                )
                for order, trial in enumerate(self._trials())
            ]

    def told(self) -> list[float]:
        """The values that the sampler knows, of trials and of the grid."""
        with locked(self.lock):
            found = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            return [trial.value for trial in found if trial.value is not None]

    def _find(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]


def _kills(owner: Owner, step: int) -> int:
    """How many workers of a trial were killed since its run last advanced, including its last owner."""
    if step > owner.get("step", 0):
        return 0
    return int(owner.get("kills", 0)) + ("pid" in owner)


def _hopeless(owner: Owner, step: int) -> str | None:
    """Why a trial without a worker is given up, or None."""
    if owner.get("failures", 0) >= MAX_FAILURES:
        return f"failed {MAX_FAILURES} times"
    if _kills(owner, step) >= MAX_KILLS:
        return f"lost {MAX_KILLS} killed workers without a step of progress (is there enough memory?)"
    return None
