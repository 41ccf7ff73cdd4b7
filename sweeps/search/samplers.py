"""Optuna's samplers and pruners, made so that a search is a function of its seed and its results.

A sampler is made anew for each trial, seeded by the search and the trial's place in it: a worker that starts over
does not draw again what another has drawn, and a random search is the same whoever works on it.
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
from landscape.store.searches import CellSearch, Dimension

optuna.logging.set_verbosity(optuna.logging.ERROR)  # its hints are for whoever writes the search


def distributions(space: list[Dimension]) -> dict[str, BaseDistribution]:
    """The space in Optuna's terms."""
    return {d.name: FloatDistribution(d.low, d.high, log=d.log) for d in space}


class _Sobol(QMCSampler):
    """Optuna takes the space from the first finished trial and draws at random until there is one; here it is known."""

    space: dict[str, BaseDistribution]

    def infer_relative_search_space(self, *_: object) -> dict[str, BaseDistribution]:
        return self.space


def _gp(search: CellSearch, seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=search.startup)


def _tpe(search: CellSearch, seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=search.startup, multivariate=True)


def _random(search: CellSearch, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _qmc(search: CellSearch, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = _Sobol(scramble=True, seed=search_seed(search), warn_asynchronous_seeding=False)
    sampler.space = distributions(search.space)
    return sampler


SAMPLERS: dict[str, Callable[[CellSearch, int], BaseSampler]] = {
    "gp": _gp,
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
}


def search_seed(search: CellSearch, *place: int) -> int:
    """A seed for a search, or for one place in it; cells draw apart."""
    return int(short_hash([search.draws, search.seed, *place])[:8], 16)


def run_seed(search: CellSearch, order: int) -> int:
    """The seed of the run of the trial of this order, where each has its own: short, for it stands in tables."""
    return search_seed(search, order, 1) % 10**6


def make_sampler(search: CellSearch, order: int) -> BaseSampler:
    """What proposes the trial of this order."""
    return SAMPLERS[search.sampler](search, search_seed(search, order))


class _Hyperband(HyperbandPruner):
    """Optuna deals trials out to brackets by the study's name, which tells stores apart, and only once a process has
    judged one; here by the search alone, so that brackets are the same in every store and process."""

    name: str

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        if not self._pruners:
            self._try_initialization(study)
        return super()._get_bracket_id(cast(Study, SimpleNamespace(study_name=self.name)), trial)


def _hyperband(search: CellSearch) -> BasePruner:
    pruner = _Hyperband(min_resource=search.grace, max_resource=search.evaluations, reduction_factor=3)
    pruner.name = f"{search.draws}-{search.seed}"
    return pruner


def make_pruner(search: CellSearch) -> BasePruner:
    """What ends trials early; it counts in evaluations, and leaves `grace` of them to every run."""
    if search.pruner == "asha":
        return SuccessiveHalvingPruner(min_resource=search.grace, reduction_factor=4)
    if search.pruner == "hyperband":
        return _hyperband(search)
    if search.pruner == "median":
        return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.grace)
    return NopPruner()
