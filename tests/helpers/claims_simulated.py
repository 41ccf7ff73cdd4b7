"""How often claims are made by chance and with cause: `make bench-statistics` at length, the tests in short."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.estimators.families import claims

Array = NDArray[np.float64]
Law = Callable[[np.random.Generator, tuple[int, ...]], Array]

LAWS: dict[str, Law] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t, 2 degrees": lambda rng, shape: rng.standard_t(2, shape),
    "ties": lambda rng, shape: np.round(rng.normal(size=shape) * 1.5) / 1.5,
}


class Design(NamedTuple):
    """Cells of logarithms of distances, `sizes` runs each.

    shift, spread  of each cell in standard deviations; one number for all alike
    lost           the share of runs that diverge, of each cell
    alike          correlation of the runs of one setting; None where cells share none
    shared         how many settings they share, where that is not all
    """

    sizes: tuple[int, ...]
    shift: tuple[float, ...] = (0.0,)
    spread: tuple[float, ...] = (1.0,)
    law: str = "normal"
    lost: tuple[float, ...] = (0.0,)
    alike: float | None = None
    shared: int | None = None
    k: int = 1


class Rates(NamedTuple):
    """Of so many sets of cells: the chance that of a true difference the better cell is named (a mean over pairs), and
    that any claim is false, with their Monte-Carlo errors; and that the two are told apart, the better one named or
    not."""

    power: float
    false: float
    power_error: float
    false_error: float
    sets: int
    apart: float


def draw(design: Design, rng: np.random.Generator) -> tuple[list[Array], list[list[str]] | None]:
    """One set of cells, and the keys of what they share."""
    count = len(design.sizes)

    def of(values: tuple[float, ...], i: int) -> float:
        return values[i] if len(values) > 1 else values[0]

    common = rng.normal(size=max(design.sizes))
    cells, keys = [], []
    for i, n in enumerate(design.sizes):
        noise = LAWS[design.law](rng, (n,))
        shared = n if design.shared is None else design.shared
        if design.alike is not None:
            own = np.where(np.arange(n) < shared, common[:n], rng.normal(size=n))
            noise = np.sqrt(1 - design.alike) * noise + np.sqrt(design.alike) * own
        values = np.exp(of(design.shift, i) + of(design.spread, i) * noise)
        cells.append(np.where(rng.random(n) < of(design.lost, i), np.inf, values))
        keys.append([f"{at}" if at < shared else f"{i}:{at}" for at in range(n)])
    return cells, keys if design.alike is not None and count > 1 else None


def rates(design: Design, sets: int, seed: int = 0) -> Rates:
    """Simulated. A claim that two cells of equal shift differ is false (the spread may differ: neither is better);
    so is one of a wrong order."""
    rng, count = np.random.default_rng(seed), len(design.sizes)
    shift = np.broadcast_to(design.shift, count)
    hits, wrong, apart = [], [], []
    for _ in range(sets):
        cells, keys = draw(design, rng)
        right, false, seen = [], False, []
        for (i, j), claim in claims(cells, design.k, keys).items():
            better = claim.said == "better"
            if shift[i] == shift[j]:
                false |= better
            else:
                as_it_is = (claim.pair.theta > 0.5) == (shift[i] < shift[j])
                right.append(better and as_it_is)
                seen.append(bool(claim.said) and as_it_is)
                false |= better and not as_it_is
        hits.append(np.mean(right) if right else 0.0)
        apart.append(np.mean(seen) if seen else 0.0)
        wrong.append(false)
    of_power, of_false = (float(np.std(one) / np.sqrt(sets)) for one in (hits, wrong))
    return Rates(float(np.mean(hits)), float(np.mean(wrong)), of_power, of_false, sets, float(np.mean(apart)))
