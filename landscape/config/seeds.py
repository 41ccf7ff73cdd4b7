"""Statistical power of a design: how many seeds are needed to tell cells apart.

The numbers hold for the report's tests (`analysis.estimators.families`): a permutation test of two cells at the
corrected level, with a difference measured in standard deviations of log(FID) between runs that differ in their seed
only.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from landscape.config.text import plural

POWER = 0.8  # power: the probability of detecting a difference


def min_seeds(cells: int) -> int:
    """Fewest seeds per cell at which two of `cells` cells can be told apart at all, however large the difference."""
    level, n = pair_level(cells), 4
    while 2 / math.comb(2 * n, n) > level:
        n += 1
    return n


def seeds_for(sd: float, cells: int) -> int:
    """Seeds per cell that detect a difference of `sd` standard deviations with probability `POWER`."""
    z = NormalDist().inv_cdf(1 - pair_level(cells) / 2)
    power = NormalDist().inv_cdf(POWER)
    return max(min_seeds(cells), round(1 + 2.1 * (z + power) ** 2 / sd**2 + z**2 / 4))


def detectable_difference(seeds: int, cells: int) -> float:
    """The difference, in standard deviations, that `seeds` seeds per cell detect with probability `POWER`; infinite if
    none."""
    if seeds < min_seeds(cells):
        return math.inf
    z = NormalDist().inv_cdf(1 - pair_level(cells) / 2)
    left = seeds - 1 - z**2 / 4
    return (z + NormalDist().inv_cdf(POWER)) * math.sqrt(2.1 / left) if left > 0 else math.inf


def power_summary(cells: int, seeds: int, unit: str = "seed") -> str:
    """One sentence on the power of a design of `cells` cells; "" for one cell.

    `seeds` is the smallest number of seeds (or settings, named by `unit`) in any cell.
    """
    if cells < 2:
        return ""
    found, (three, two) = detectable_difference(seeds, cells), (seeds_for(sd, cells) for sd in (3, 2))
    if math.isinf(found):
        none = "no two can be told apart" if cells > 2 else "they cannot be told apart"
        enough = f"{three} {unit}s detect a difference of 3 sd, {two} one of 2 sd (power 80 %)"
        return f"{cells} cells of {plural(seeds, unit)}: {none}; {enough}"
    more = "" if found <= 2 else f"; {two} detect one of 2 sd"
    return f"{cells} cells of {plural(seeds, unit)} detect a difference of {found:.1f} sd (power 80 %){more}"


def claimable(cells: int, k: int = 1) -> int:
    """Fewest runs per cell at which any claim on the best of k is possible."""
    return min_seeds(cells) if k == 1 else max(min_seeds(cells), needed(k, pair_level(cells, k)))


def needed(k: int, level: float = 0.05) -> int:
    """The fewest runs per cell for a claim on the best of k > 1 at this level: 11, 16, 27, 54 for k = 2, 3, 5, 10."""
    return math.ceil(k * (1 + math.log2(1 / level)) - 1e-9)


def pair_level(cells: int, k: int = 1) -> float:
    """Significance level of one pair of cells: corrected for the number of cells, and Bonferroni over all pairs above
    twelve and for k > 1."""
    if k > 1 or cells > 12:
        return 0.05 / math.comb(cells, 2)
    return 0.05 if cells <= 3 else 0.05 * 2 / cells
