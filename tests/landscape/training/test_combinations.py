"""Every choice with every other: one real training step each, of a pairwise cover and, in `make test-all`, of all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from support import TINY, kinds

from landscape.config.schema import typed
from landscape.data import load_data
from landscape.training.loop import train
from landscape.training.state import new_state
from sweeps.planning.config_groups import groups
from sweeps.planning.plan import make_plan

AXES = {
    "loss": groups()["loss"],
    "reg": sorted(kinds("reg", "penalty")),
    "norm": sorted(kinds("norm", "kind")),
    "arch": groups()["arch"],
}
Cell = tuple[str, ...]


def pairwise_cover() -> Iterator[Cell]:
    """Cells such that each pair of choices of two axes is in one of them; greedy, in a fixed order."""
    names = list(AXES)
    todo = {((a, x), (b, y)) for a, b in itertools.combinations(names, 2) for x in AXES[a] for y in AXES[b]}
    cells = list(itertools.product(*AXES.values()))
    pairs = {cell: set(itertools.combinations(zip(names, cell, strict=True), 2)) for cell in cells}
    while todo:
        gains = [len(pairs[cell] & todo) for cell in cells]
        best = cells[gains.index(max(gains))]
        todo -= pairs[best]
        yield best


COVER = set(pairwise_cover())
CELLS = [
    pytest.param(cell, id="-".join(cell), marks=() if cell in COVER else pytest.mark.slow)
    for cell in itertools.product(*AXES.values())
]


@pytest.mark.parametrize("cell", CELLS)
def test_one_real_step(cell: Cell) -> None:
    loss, reg, norm, arch = cell
    data_set = "data=ring" if arch == "mlp" else f"data.size={32 if arch == 'resnet_cifar' else 16}"
    overrides = [*TINY[1:], f"loss={loss}", f"reg={reg}", f"norm={norm}", f"arch={arch}", data_set]
    cfg = typed(make_plan([*overrides, "train.steps=2", "train.batch_size=4"], multirun=False).runs[0].config)
    data = load_data(cfg.data)
    state, before = (new_state(cfg, data, torch.device("cpu")) for _ in range(2))
    train(state, cfg, lambda s: None)
    for name, network in state.modules.items():
        old = before.modules[name]
        moved = [not torch.equal(p, q) for p, q in zip(network.parameters(), old.parameters(), strict=True)]
        # Not all: behind clipped weights a gradient can be too small to move a weight in single precision.
        assert sum(moved) >= len(moved) / 2
    assert all(loss.isfinite() for loss in state.losses.values())
    assert (state.step, state.counts["g_step"]) == (2, 2)
