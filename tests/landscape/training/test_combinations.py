"""Every choice with every other: one real training step each, of a pairwise cover and, in `make test-all`, of more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from support import TINY, kinds

from landscape.config.errors import UserError
from landscape.config.schema import typed
from landscape.config.validation import MIXED
from landscape.data import load_data
from landscape.training.loop import train
from landscape.training.state import new_state
from sweeps.planning.config_groups import groups
from sweeps.planning.plan import make_plan

AXES = {
    "loss": groups()["loss"],  # batch=mixed comes with it
    "reg": sorted(kinds("reg", "penalty")),
    "norm": sorted(kinds("norm", "kind")),
    "arch": groups()["arch"],
    "lens": groups()["lens"],
    "reg_g": groups()["reg_g"],
    "arch.minibatch": ["none", "discrimination", "stddev"],
    "arch.symmetric": ["false", "true"],
    "arch.pack": ["1", "2"],
    "arch.conditional": ["false", "true"],
}
CONDITIONAL = ("sndcgan", "resnet19", "resnet_cifar")
Cell = tuple[str, ...]
Choice = tuple[str, str]
# Pairs of choices that planning refuses, each in a sentence.
REFUSED: dict[frozenset[Choice], str] = {
    frozenset({("arch.symmetric", "true"), ("norm", "bn")}): "both give D the batch's means",
    frozenset({("arch.conditional", "true"), ("arch.pack", "2")}): "images of several classes",
    **{
        frozenset({("arch.conditional", "true"), ("arch", arch)}): "has no conditional form"
        for arch in groups()["arch"]
        if arch not in CONDITIONAL
    },
    **{frozenset({("loss", loss), ("arch.pack", "2")}): "mixes the kinds" for loss in MIXED},
}


def choices(cell: Cell) -> list[Choice]:
    return list(zip(AXES, cell, strict=True))


def legal(chosen: list[Choice]) -> bool:
    return not any(pair <= set(chosen) for pair in REFUSED)


def pairwise_cover() -> Iterator[Cell]:
    """Legal cells such that each legal pair of choices of two axes is in one of them; greedy, in a fixed order.

    A cell begins with a pair that is still to do; each further axis takes the choice that adds most such pairs.
    """
    names = list(AXES)
    todo = {
        frozenset({(a, x), (b, y)}): None
        for a, b in itertools.combinations(names, 2)
        for x in AXES[a]
        for y in AXES[b]
        if legal([(a, x), (b, y)])
    }
    while todo:
        chosen = sorted(next(iter(todo)))
        for name in names:
            if name not in dict(chosen):
                possible = [(name, x) for x in AXES[name] if legal([*chosen, (name, x)])]
                chosen.append(max(possible, key=lambda one: sum(frozenset({one, other}) in todo for other in chosen)))
        for pair in itertools.combinations(chosen, 2):
            todo.pop(frozenset(pair), None)
        yield tuple(dict(chosen)[name] for name in names)


PLAIN: Cell = ("none", "none", "none", "false", "1", "false")  # of the axes after the first four
CELLS = [
    *(pytest.param(cell, id="-".join(cell)) for cell in pairwise_cover()),
    *(
        pytest.param((*cell, *PLAIN), id="-".join(cell), marks=pytest.mark.slow)
        for cell in itertools.product(*list(AXES.values())[:4])
    ),
]


def overrides(cell: Cell) -> list[str]:
    arch = dict(choices(cell))["arch"]
    data_set = "data=ring" if arch == "mlp" else f"data.size={32 if arch == 'resnet_cifar' else 16}"
    given = [f"{name}={choice}" for name, choice in choices(cell)]
    return [*TINY[1:], *given, data_set, "lens.width=0.1", "train.steps=2", "train.batch_size=4"]


@pytest.mark.parametrize("cell", CELLS)
def test_one_real_step(cell: Cell) -> None:
    given = overrides(cell)
    if "lens=none" in given:
        given.remove("lens.width=0.1")
    cfg = typed(make_plan(given, multirun=False).runs[0].config)
    data = load_data(cfg.data)
    state, before = (new_state(cfg, data, torch.device("cpu")) for _ in range(2))
    train(state, cfg, lambda s: None)
    for name, network in state.modules.items():
        old = before.modules[name]
        moved = [not torch.equal(p, q) for p, q in zip(network.parameters(), old.parameters(), strict=True)]
        # Not all: behind clipped weights a gradient can be too small to move a weight in single precision, and a lens
        # starts with a last layer through which nothing reaches the others.
        assert sum(moved) >= len(moved) / (2 if name != "lens" else len(moved))
    assert all(loss.isfinite() for loss in state.losses.values())
    assert (state.step, state.counts["g_step"]) == (2, 2)


@pytest.mark.parametrize("pair", REFUSED, ids=lambda pair: "-".join(sorted(map("=".join, pair))))
def test_what_does_not_combine_is_refused_in_a_sentence(pair: frozenset[Choice]) -> None:
    with pytest.raises(UserError, match=REFUSED[pair]):
        make_plan([f"{name}={choice}" for name, choice in pair], multirun=False)
