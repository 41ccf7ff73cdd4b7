"""Trials as runs: the run that a trial is, and what a sampler that looks at no results draws for it."""

from __future__ import annotations

from typing import Any

from landscape.config.identity import run_id
from landscape.store.searches import SearchSpec
from sweeps.planning.plan import Planned
from sweeps.planning.search_space import SEED, Params, rounded, trial_seeds, with_params


def trial_configs(search: SearchSpec, params: Params) -> list[dict[str, Any]]:
    """The configurations of a trial, one for each of its seeds."""
    seeds = trial_seeds(int(params.get(SEED, search.base["seed"])), search.seeds)
    return [with_params(search.base, search.space, {**params, SEED: seed}) for seed in seeds]


def trial_run(search: SearchSpec, params: Params, nth: int = 0) -> Planned:
    """A run of a trial, that of its first seed unless said: an ordinary run, whose label is the trial's setting."""
    config = trial_configs(search, params)[nth]
    picked = [f"{d.keys[0]}={rounded(d, params[d.name]):g}" for d in search.space]
    shared = search.overrides
    if search.fresh or nth:
        picked.append(f"seed={config['seed']}")
        shared = [text for text in shared if not text.startswith("seed=")]
    return Planned(run_id(config), config, picked, shared, [search.asked])


def random_params(search: SearchSpec, order: int) -> Params:
    """The parameters of trial `order` of a random search, as its workers would draw them, without asking for the trials
    before it."""
    import optuna  # slow to import

    from sweeps.search.samplers import distributions, make_sampler, run_seed

    study = optuna.create_study(sampler=make_sampler(search, order))
    drawn = study.ask(distributions(search.space)).params
    found: Params = {d.name: rounded(d, drawn[d.name]) for d in search.space}
    return found | {SEED: run_seed(search, order)} if search.fresh else found
