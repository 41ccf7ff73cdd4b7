"""Comparisons of cells at a budget of k runs: pairs, and the ranks that follow. Frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.estimators.effects import difference_of_medians
from analysis.estimators.families import BETTER, DIFFER, Claim, claims, ranks
from analysis.loading.cells import ENDS, bounded, cell_facts, cell_order, equal_seeds, medians
from analysis.loading.measure import BY_DISTANCE, Measure
from analysis.loading.protocols import one_protocol
from analysis.loading.trials import ADAPTIVE
from analysis.tables.designs import design, differing, refused
from landscape.config.axes import VARIED_AXES
from landscape.config.seeds import needed, power_summary

PAIR_COLUMNS = (
    *("a", "b", "k", "taken", "n", "chance", "lower", "upper", "p", "said", "why"),
    *("for_seed", "{effect}", "{effect}_low", "{effect}_high", "differ"),
)
RANK_COLUMNS = ("cell", "k", "n", "lowest", "highest")
BUDGETS = (2, 3, 5, 10, 20, 50)
# Runs of two cells share a setting if these agree. A penalty's strength belongs to the cell, and so does n_dis.
MATCHED = tuple(axis.name for axis in VARIED_AXES if axis.matched and not axis.pools)

Array = NDArray[np.float64]


class Sample(NamedTuple):
    """The units of a cell in comparisons: one value per setting, or, for a cell with one setting, per seed.

    unit    "setting" or "seed"
    seeds   the seeds of these runs
    keys    equal in two cells for the same setting (and seed)
    values  the median over the first seeds of each setting, the same number for all settings of all cells
    most    the same with stopped runs at infinity, where `values` has them at zero: bounds of their outcome
    """

    unit: str
    keys: list[str]
    values: Array
    most: Array
    seeds: frozenset[int]

    @property
    def for_seed(self) -> int | None:
        """The seed, if all settings are taken with the same one: claims then hold for that seed."""
        return min(self.seeds) if self.unit == "setting" and len(self.seeds) == 1 else None


def pair_table(
    runs: pd.DataFrame,
    budgets: Sequence[int],
    confidence: float = 0.95,
    chosen_of: int = 0,
    configs: Mapping[str, str] | None = None,
    measure: Measure = BY_DISTANCE,
) -> pd.DataFrame:
    """For each pair of cells and budget k: the chance that the best of k of `a` beats that of `b`, and what is claimed.

    The chance of any false claim at one budget is at most 1 - `confidence` (`analysis.estimators.families`). Units are
    as in `Sample`. Trials of adaptive searches and confirmation runs are left out. A claim holds whatever the stopped
    runs would have reached.

    taken    "matched" if labels were exchanged within shared settings and seeds, "apart" if freely, "12 of 24 matched"
    n        settings (or seeds) of the smaller cell
    chance   the estimate; lower, upper: its interval for this pair alone, which decides nothing
    p        of this pair alone; a claim takes more
    said     "a" or "b" for the one claimed better, "differ" if the spreads are too unequal to say which, else ""
    why      why no claim was possible, whatever the values
    for_seed the seeds of the cells whose settings are all taken with one seed: the claim holds for these
    ratio    of A's distances to B's (the median of all ratios of two runs), with its 95 % interval (ratio_low,
             ratio_high); NaN for k > 1, and if there is none. By a `measure` without ratios the columns are
             `difference` and so on: A's score minus B's, likewise
    differ   the keys in which the cells differ beyond their names, from `configs` (as in `Collected`)

    Cells that differ in steps or images are not compared. More than one protocol raises `TwoProtocols`. If the cells
    were chosen by their results from `chosen_of` cells, all pairs of these are counted. A row takes n > k and two
    values per cell.
    """
    one_protocol(runs)
    drawn, facts = samples(runs), cell_facts(runs)
    order = [label for label in cell_order(runs) if label in drawn]
    designs = {str(label): design(cell, configs or {}) for label, cell in entering(runs).groupby("cell")}
    rows = []
    chosen_of = chosen_of if chosen_of > runs["cell"].nunique() else 0
    for k in budgets:
        labels = [label for label in order if len(drawn[label].values) > k]
        taken = [drawn[label] for label in labels]
        found = claims(
            [one.values for one in taken],
            k,
            [one.keys for one in taken],
            1 - confidence,
            chosen_of,
            [one.most for one in taken],
            {
                (i, j): why
                for i, j in combinations(range(len(taken)), 2)
                if (why := refused(designs[labels[i]], designs[labels[j]]) or _unlike(taken[i], taken[j]))
            },
            measure.scaled,
        )
        for (i, j), claim in found.items():
            a, b = labels[i], labels[j]
            n = min(len(drawn[a].values), len(drawn[b].values))
            pair = claim.pair
            said = (pair.theta, pair.lower, pair.upper, pair.p, _said(claim), claim.why)
            seeds = dict.fromkeys(str(s) for one in (drawn[a], drawn[b]) if (s := one.for_seed) is not None)
            size = _effect(drawn[a], drawn[b], k, measure)
            differ = differing(designs[a], designs[b], facts[a], facts[b])
            rows.append((a, b, k, _taken(claim, n), n, *said, " and ".join(seeds), *size, differ))
    return pd.DataFrame(rows, columns=[name.format(effect=measure.effect) for name in PAIR_COLUMNS])


def budgets_said(runs: pd.DataFrame, confidence: float = 0.95) -> list[int]:
    """The budgets at which pairs are compared: 1, and the largest of `BUDGETS` that most cells have enough runs for."""
    sizes = [len(one.values) for one in samples(runs).values()]
    pairs = len(sizes) * (len(sizes) - 1) // 2
    fit = [k for k in BUDGETS if pairs and needed(k, (1 - confidence) / pairs) <= np.median(sizes)]
    return [1, *fit[-1:]]


def could_be_told(runs: pd.DataFrame) -> str:
    """A sentence on the differences that this many cells and runs can detect; "" for fewer than two cells."""
    drawn = list(samples(runs).values())
    if len(drawn) < 2:
        return ""
    fewest = min(drawn, key=lambda one: len(one.values))
    return power_summary(len(drawn), len(fewest.values), fewest.unit)


def samples(runs: pd.DataFrame) -> dict[str, Sample]:
    """The `Sample` of each cell; `runs` is one section.

    All settings are taken with the same number of seeds (`equal_seeds`). Stopped runs are included, with bounds.
    """
    use = equal_seeds(entering(runs))
    pooled = (use.groupby("cell")["n_dis"].nunique() > 1).any()
    keys = [*MATCHED, "n_dis"] if pooled else list(MATCHED)
    use = use.assign(_key=["|".join(map(str, row)) for row in use[keys].itertuples(index=False)])
    one = medians(use.groupby(["cell", "setting", "_key", "seed"], sort=True)[ENDS]).reset_index()
    several = one.groupby("cell")["setting"].transform("nunique") > 1
    seeds_of = {label: frozenset(cell["seed"].astype(int)) for label, cell in use.groupby("cell")}
    found = {}
    for label, cell in one.groupby("cell", sort=False):
        unit, made, names = (
            "seed",
            cell,
            [f"{key}|{seed}" for key, seed in zip(cell["_key"], cell["seed"], strict=True)],
        )
        if several[cell.index[0]]:
            made = medians(cell.groupby(["setting", "_key"], sort=True)[ENDS]).reset_index()
            unit, names = "setting", list(made["_key"])
        values, most = (made[end].to_numpy(float) for end in ENDS)
        found[str(label)] = Sample(unit, names, values, most, seeds_of[label])
    return found


def entering(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that are compared, with bounds of their final distances."""
    use = bounded(runs)
    return use[~use["sampler"].isin(ADAPTIVE)]


def of_one_seed(runs: pd.DataFrame) -> dict[int, list[str]]:
    """Cells whose settings are all taken with one seed, by seed: claims about them hold for that seed."""
    found: dict[int, list[str]] = {}
    for label, one in samples(runs).items():
        if one.for_seed is not None:
            found.setdefault(one.for_seed, []).append(label)
    return found


def _unlike(a: Sample, b: Sample) -> str:
    """Why the units of two cells must not be compared: "seeds against settings"; "" if they may."""
    return "" if a.unit == b.unit else f"{a.unit}s against {b.unit}s"


def _effect(a: Sample, b: Sample, k: int, measure: Measure) -> tuple[float, float, float]:
    whole = all((one.values == one.most).all() for one in (a, b))
    found = difference_of_medians(measure.scaled(a.values), measure.scaled(b.values)) if k == 1 and whole else None
    if found is None:
        return (np.nan, np.nan, np.nan)
    estimate, *ends = measure.unscaled(np.array(found)).tolist()
    return (estimate, min(ends), max(ends))


def _taken(claim: Claim, n: int) -> str:
    if not claim.shared:
        return "apart"
    return "matched" if claim.shared == n else f"{claim.shared} of {n} matched"


def _said(claim: Claim) -> str:
    if claim.said == BETTER:
        return "a" if claim.pair.theta > 0.5 else "b"
    return claim.said


def rank_table(table: pd.DataFrame) -> pd.DataFrame:
    """The ranks (1 is best) of each cell that agree with the claims of a `pair_table`, for each k with a claim.

    `lowest` is one more than the number of cells claimed better; `highest` is the number of cells not claimed worse.
    They hold if the claims do. A k at which not all cells were compared is left out.
    """
    rows = []
    for k in sorted(int(k) for k in table["k"].unique()):
        at_k = table[table["k"] == k]
        cells = list(dict.fromkeys([*at_k["a"], *at_k["b"]]))
        if not at_k["said"].isin(("a", "b")).any() or len(cells) < len({*table["a"], *table["b"]}):
            continue
        place = {cell: i for i, cell in enumerate(cells)}
        better = np.zeros((len(cells), len(cells)), bool)
        smallest = dict.fromkeys(cells, 10**9)
        for row in at_k.to_dict("records"):
            if row["said"] not in ("", DIFFER):
                first, second = (row["a"], row["b"]) if row["said"] == "a" else (row["b"], row["a"])
                better[place[first], place[second]] = True
            for cell in (row["a"], row["b"]):
                smallest[cell] = min(smallest[cell], int(row["n"]))
        lowest, highest = ranks(better)
        rows += [(c, k, smallest[c], int(lowest[i]), int(highest[i])) for i, c in enumerate(cells)]
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS))
