"""Which of m cells are better than which: a closed test with a family-wise error of 5 %.

Two cells are told apart if every set of cells that contains both is found to differ (closure principle, with the levels
of Ryan, Einot, Gabriel and Welsch). Two cells are compared by the test of `pairwise`; a larger set by a permutation
test of its mean ranks, combining their overall spread with the largest single deviation. As the test of all cells
carries the multiplicity, five runs per cell can support a claim among twelve cells, which a correction of pairwise
p-values (Holm) never can. For k > 1, and for more than `MOST` cells, Holm's correction is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.estimators.effects import above_by_chance
from analysis.estimators.pairwise import FREE, SEED, Pair, alike_in_spread, arrangements, compare, ordered_by

Array = NDArray[np.float64]
Two = tuple[int, int]

MOST = 12  # cells in a closed test, which tests all sets of cells
LEVEL = 0.05
DRAWS = 1_999  # permutations for a set of three or more cells

BETTER, DIFFER, NONE = "better", "differ", ""
STOPPED_K = "stopped runs"


class Claim(NamedTuple):
    """The claim about two cells, in their order.

    pair    the comparison that it rests on
    said    BETTER (the one with the higher theta), DIFFER (spreads too unequal to say more), or NONE
    why     why no claim was possible, whatever the values; "" if one was
    shared  number of runs per cell whose labels were exchanged within matched pairs; 0 for unrestricted ones
    """

    pair: Pair
    said: str
    why: str
    shared: int


def claims(
    cells: Sequence[Array],
    k: int = 1,
    keys: Sequence[Sequence[object]] | None = None,
    level: float = LEVEL,
    chosen_of: int = 0,
    highest: Sequence[Array] | None = None,
    barred: Mapping[Two, str] | None = None,
    scaled: Callable[[Array], Array] = np.log,
) -> dict[Two, Claim]:
    """The claim for each pair of `cells` (i < j); the chance of any false claim is at most `level`.

    keys       for each cell a key per value: values of two cells with equal keys share setting and seed
    chosen_of  number of cells that these were chosen from by their results; all their pairs count for Holm
    highest    for each cell the upper bounds of its values (infinity for a stopped run), where `cells` are the lower
               bounds: a claim holds for all values in between
    barred     pairs that must not be compared, and why
    scaled     the values on the scale on which spreads are compared (`alike_in_spread`)
    """
    count = len(cells)
    every = max(count, chosen_of)
    unsure = highest is not None and any((a != b).any() for a, b in zip(cells, highest, strict=True))
    closed = k == 1 and every <= MOST and not unsure
    pair_level = level_of(2, count, level) if closed else level / max(1, every * (every - 1) // 2)
    found: dict[Two, Claim] = {}
    for i, j in combinations(range(count), 2):
        refused = (barred or {}).get((i, j), "")
        if unsure and highest is not None:
            why = refused or (STOPPED_K if k > 1 else ordered_by(len(cells[i]), len(cells[j]), k, pair_level))
            pair = compare_censored((cells[i], highest[i]), (cells[j], highest[j]), pair_level)
            found[i, j] = Claim(pair, NONE, why, 0)
            continue
        a, b, shared = _paired(cells[i], cells[j], *(keys[i], keys[j]) if keys else ((), ()))
        if shared and 2 / arrangements(len(a), len(b), shared) > pair_level:
            shared = 0  # too few pairs for any claim; unrestricted permutations are valid too
        why = refused or ordered_by(len(a), len(b), k, pair_level)
        found[i, j] = Claim(compare(a, b, k, shared, pair_level), NONE, why, shared)
    told_apart = _closed(cells, keys, found, level) if closed else _holm(found, level, every)
    for (i, j), claim in found.items():
        pair = claim.pair
        if (i, j) not in told_apart or pair.theta == 0.5:
            continue
        known = [cells[at] if highest is None else cells[at][cells[at] == highest[at]] for at in (i, j)]
        if k > 1 or min(len(cells[i]), len(cells[j])) >= FREE or alike_in_spread(known[0], known[1], scaled):
            # The interval of this pair alone is made to agree with the claim.
            cut = {"lower": max(pair.lower, 0.5)} if pair.theta > 0.5 else {"upper": min(pair.upper, 0.5)}
            found[i, j] = claim._replace(said=BETTER, pair=pair._replace(**cut))
        else:
            found[i, j] = claim._replace(said=DIFFER)
    return found


def compare_censored(a: tuple[Array, Array], b: tuple[Array, Array], level: float = LEVEL) -> Pair:
    """`compare` at k = 1 for values between bounds: the result holds for all values in between.

    The rank sum is largest if A's values are the lowest and B's the highest. The studentized T need not be, so both
    tests are required, each at its least favorable case. theta is of the least favorable case; the interval covers both
    ends.
    """
    (low_a, high_a), (low_b, high_b) = a, b
    n, m = len(low_a), len(low_b)
    worst, best = compare(high_a, low_b, level=level), compare(low_a, high_b, level=level)
    wins, losses = int((high_a[:, None] < low_b).sum()), int((high_b[:, None] < low_a).sum())
    for_a = max(worst.p, above_by_chance(wins, n, m)) if worst.theta > 0.5 else 1.0
    for_b = max(best.p, above_by_chance(losses, n, m)) if best.theta < 0.5 else 1.0
    ends = {"lower": min(worst.lower, best.lower), "upper": max(worst.upper, best.upper)}
    if for_a <= for_b:
        return worst._replace(p=for_a, **ends)
    return best._replace(p=for_b, **ends)


def level_of(size: int, count: int, level: float = LEVEL) -> float:
    """The level at which `size` of `count` cells are tested for equality.

    Disjoint sets share the level, valid also if their tests are dependent (as for matched cells).
    """
    return level if size >= count - 1 else level * size / count


def ranks(better: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest rank (1 is best) that each cell can have; `better[i, j]`: i is claimed better than j."""
    return 1 + better.sum(0), len(better) - better.sum(1)


def _paired(a: Array, b: Array, keys_a: Sequence[object], keys_b: Sequence[object]) -> tuple[Array, Array, int]:
    """The values of two cells, those with equal keys first and in the same order, and the number of these."""
    place = {key: at for at, key in enumerate(keys_b)}
    both = [(at, place[key]) for at, key in enumerate(keys_a) if key in place]
    if not both:
        return a, b, 0
    first_a, first_b = (np.array(one) for one in zip(*both, strict=True))
    return np.r_[a[first_a], np.delete(a, first_a)], np.r_[b[first_b], np.delete(b, first_b)], len(both)


def _closed(
    cells: Sequence[Array], keys: Sequence[Sequence[object]] | None, found: Mapping[Two, Claim], level: float
) -> set[Two]:
    """The pairs that all sets of cells containing them allow to claim; sets without such pairs are not tested."""
    count = len(cells)
    table = None
    if keys and all(claim.shared == len(cells[0]) for claim in found.values()):  # all cells are matched
        order = [np.argsort([str(key) for key in one], kind="stable") for one in keys]
        table = np.stack([cell[at] for cell, at in zip(cells, order, strict=True)])
    at = level_of(2, count, level)
    alive = {pair for pair, claim in found.items() if not claim.why and claim.pair.p <= at}
    for size in range(count, 2, -1):
        for subset in combinations(range(count), size):
            pairs = alive.intersection(combinations(subset, 2))
            if not pairs:
                continue
            chosen = list(subset)
            p = differ([cells[i] for i in chosen]) if table is None else differ_matched(table[chosen])
            if p > level_of(size, count, level):
                alive -= pairs
    return alive


def _holm(found: Mapping[Two, Claim], level: float, every: int) -> set[Two]:
    left, apart = every * (every - 1) // 2, set()
    for pair in sorted(found, key=lambda one: found[one].pair.p):
        if found[pair].pair.p > level / left:
            break
        left -= 1
        apart |= {pair} if not found[pair].why else set()
    return apart


def differ(cells: Sequence[Array]) -> float:
    """p of the permutation test that several cells have one distribution, by their mean ranks."""
    ranked = stats.rankdata(np.concatenate(cells))
    sizes = np.array([len(cell) for cell in cells])
    seen = _spreads(np.add.reduceat(ranked, np.cumsum(sizes) - sizes)[None], sizes)
    # Without ties, the ranks and thus the null distribution are the same for all cells.
    return _joint_p(seen, _null(tuple(sorted(sizes.tolist())), np.sort(ranked).tobytes(), 1))


def differ_matched(table: Array) -> float:
    """`differ` for a table with a row per cell and a column per setting and seed: ranks are within columns."""
    ranked = stats.rankdata(table, axis=0)
    sizes = np.full(len(table), table.shape[1])
    within = np.sort(ranked, axis=0)
    null = _null(tuple(sizes.tolist()), within[:, np.lexsort(within)].T.tobytes(), table.shape[1])
    return _joint_p(_spreads(ranked.sum(1)[None], sizes), null)


def _spreads(sums: Array, sizes: NDArray[np.int64]) -> Array:
    """K and O of rows of rank sums: the overall spread of mean ranks, and the largest deviation in standard errors."""
    total = sizes.sum()
    gaps = sums / sizes - sums.sum(1, keepdims=True) / total
    return np.round(np.stack([(sizes * gaps**2).sum(1), np.abs(gaps / np.sqrt(1 / sizes - 1 / total)).max(1)]), 7)


def _joint_p(seen: Array, null: tuple[Array, Array]) -> float:
    """p of the smaller of the p-values of K and of O, against the same permutations and the observed value."""
    values, counts = null
    mine = int((values >= seen).sum(1).min()) + 1
    others = (counts + (values <= seen)).min(0)
    return float((1 + int((others <= mine).sum())) / (1 + values.shape[1]))


@lru_cache(maxsize=1024)
def _null(sizes: tuple[int, ...], ranked: bytes, blocks: int) -> tuple[Array, Array]:
    """K and O under random permutations of the ranks within blocks, and the counts of values at least as large."""
    generator, of = np.random.default_rng(SEED), np.array(sizes)
    values = np.frombuffer(ranked).reshape(blocks, -1)
    starts = np.cumsum(of) - of if blocks == 1 else np.arange(len(of))
    rows = max(1, 400_000 // values.size)
    found = []
    for first in range(0, DRAWS, rows):
        shape = (min(rows, DRAWS - first), *values.shape)
        shuffled = generator.permuted(np.broadcast_to(values, shape), axis=2)
        found.append(_spreads(np.add.reduceat(shuffled, starts, axis=2).sum(1), of))
    made = np.concatenate(found, axis=1)
    ordered = np.sort(made, axis=1)
    return made, np.stack([len(own) - np.searchsorted(one, own) for one, own in zip(ordered, made, strict=True)])
