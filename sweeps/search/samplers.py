"""Optuna's samplers and pruners, seeded so that a search is a function of its seed and its results.

Each trial gets a new sampler, seeded by the search and the trial's index: a restarted worker does not repeat another's
draws, and a random search is the same with any number of workers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from landscape.config.identity import short_hash
from landscape.store.searches import Dimension, SearchSpec

optuna.logging.set_verbosity(optuna.logging.ERROR)  # its hints are for developers


def distributions(space: list[Dimension]) -> dict[str, BaseDistribution]:
    """The search space as Optuna's distributions."""
    return {d.name: FloatDistribution(d.low, d.high, log=d.log) for d in space}


class _Sobol(QMCSampler):
    """Takes the space as given. Optuna infers it from the first finished trial, and samples at random before."""

    space: dict[str, BaseDistribution]

    def infer_relative_search_space(self, *_: object) -> dict[str, BaseDistribution]:
        return self.space


def _gp(search: SearchSpec, seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=search.startup)


def _tpe(search: SearchSpec, seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=search.startup, multivariate=True)


def _random(search: SearchSpec, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _qmc(search: SearchSpec, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = _Sobol(scramble=True, seed=search_seed(search), warn_asynchronous_seeding=False)
    sampler.space = distributions(search.space)
    return sampler


SAMPLERS: dict[str, Callable[[SearchSpec, int], BaseSampler]] = {
    "gp": _gp,
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
}


def search_seed(search: SearchSpec, *place: int) -> int:
    """The seed of a search, or of the trial at `place`; it differs between cells."""
    return int(short_hash([search.draws, search.seed, *place])[:8], 16)


def run_seed(search: SearchSpec, order: int) -> int:
    """The seed of the run of the trial of this order, if each has its own; short, as tables show it."""
    return search_seed(search, order, 1) % 10**6


def make_sampler(search: SearchSpec, order: int) -> BaseSampler:
    """The sampler that proposes the trial of this order."""
    return SAMPLERS[search.sampler](search, search_seed(search, order))


class _Hyperband(HyperbandPruner):
    """Assigns trials to brackets by the search instead of by Optuna's study name, so that brackets are the same in
    every store and process."""

    name: str

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        if not self._pruners:
            self._try_initialization(study)
        return super()._get_bracket_id(cast(Study, SimpleNamespace(study_name=self.name)), trial)


def _hyperband(search: SearchSpec) -> BasePruner:
    pruner = _Hyperband(min_resource=search.grace, max_resource=search.evaluations, reduction_factor=3)
    pruner.name = f"{search.draws}-{search.seed}"
    return pruner


def make_pruner(search: SearchSpec) -> BasePruner:
    """The pruner of a search; it counts in evaluations and never ends a run within the first `grace`."""
    if search.pruner == "asha":
        return SuccessiveHalvingPruner(min_resource=search.grace, reduction_factor=4)
    if search.pruner == "hyperband":
        return _hyperband(search)
    if search.pruner == "median":
        return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.grace)
    return NopPruner()
