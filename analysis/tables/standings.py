"""What stands first on the page and last in the terminal: what may be claimed, and the cells, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.estimators.tuning_curves import median_best
from analysis.loading.cells import cell_order, countable, unit_values
from analysis.loading.clocks import costed
from analysis.loading.measure import Measure
from landscape.config.text import duration
from landscape.store import DIVERGED, FAILED

MOST_NAMED = 6  # cells in a sentence; of more their number is given
MOST_LINES = 20  # cells in a terminal
HEADERS = {
    "cell": "cell",
    "score_median": "{score}, median",
    "seeds_sd": "spread of seeds",
    "score_best": "best run",
    "results": "results",
    "lost": "diverged or failed",
    "seconds": "{time}",
}


def standing_table(runs: pd.DataFrame, spread: pd.DataFrame, partly: Sequence[str], measure: Measure) -> pd.DataFrame:
    """One row per cell, best median first: descriptive statistics of these runs, of which differences may be chance.

    `runs` is a section as `judged` by `measure`, `spread` its `spread_table`. Columns `HEADERS` without placeholders:

    score_median, score_best  in the score's own units, of the runs with a result (a diverged one is the worst); NaN for
                              cells without results and for those that are `partly` scored, which stand last
    seeds_sd                  of seeds within a setting, of the log where effects are ratios; NaN if unknown
    results, lost             runs with a result; of all runs those that diverged or failed
    seconds                   training and evaluation of all runs of the cell (`costed`)
    """
    rows, cost = [], costed(runs)
    sds = spread.set_index("cell")["seeds_sd"] if len(spread) else pd.Series(dtype=float)
    for label in cell_order(runs):
        cell = runs[runs["cell"] == label]
        counted = countable(cell)
        units = unit_values(counted)["worth"].to_numpy(float)
        known = len(units) > 0 and label not in partly
        middle = float(median_best(units, np.array([1]), measure.best)[0]) if known else math.nan
        rows.append(
            {
                "cell": label,
                "score_median": measure.own(middle),
                "seeds_sd": float(sds.get(label, math.nan)),
                "score_best": measure.own(float(units.min())) if known else math.nan,
                "results": int(counted["worth"].notna().sum()),
                "lost": int(cell["status"].isin((DIVERGED, FAILED)).sum()),
                "seconds": float(cost.loc[cell.index, ["train_s", "eval_s"]].sum().sum()),
                "_worth": middle,
            }
        )
    made = pd.DataFrame(rows).sort_values("_worth", kind="stable", na_position="last")
    return made.drop(columns="_worth").reset_index(drop=True)


def shown_standings(frame: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """A `standing_table` as text."""

    def score(value: float) -> str:
        return "" if math.isnan(value) else measure.column.text(value) if math.isfinite(value) else "diverged"

    def spread(sd: float) -> str:
        if math.isnan(sd):
            return ""
        if not measure.ratios:
            return measure.column.text(sd)
        return f"{100 * math.expm1(sd):.0f} %" if sd < math.log(11) else "over 1,000 %"

    told = {
        "score_median": [score(value) for value in frame["score_median"]],
        "seeds_sd": [spread(value) for value in frame["seeds_sd"]],
        "score_best": [score(value) for value in frame["score_best"]],
        "results": [f"{count:,}" for count in frame["results"]],
        "lost": [str(lost) if lost else "" for lost in frame["lost"]],
        "seconds": [duration(value) for value in frame["seconds"]],
    }
    made = frame.assign(**told)[[*HEADERS]]
    empty = {key for key in ("seeds_sd", "lost") if not made[key].any()}
    return made.drop(columns=list(empty))


def as_lines(heads: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table of texts for a terminal, of its first `MOST_LINES` rows."""
    rows = [heads, *([text or "-" for text in row] for row in body[:MOST_LINES])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    told = [
        "  ".join([row[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    more = len(body) - MOST_LINES
    return told + ([f"and {more} more, on the page"] if more > 0 else [])


def answer(
    cells: Sequence[str], pairs: pd.DataFrame, ranks: pd.DataFrame, could: str, error: str, outcomes: Sequence[str]
) -> list[str]:
    """What may be claimed of these cells, in sentences: which is the best, at what error; or why nothing is claimed.

    `cells` are in the order in which they are named, `pairs` is a `pair_table` of them, `ranks` its `rank_table`,
    `could` the sentence on what this design can detect.
    """
    if len(cells) < 2:
        return ["There is one cell, and nothing to compare it with."] if cells else []
    if outcomes:
        return [f"Nothing is claimed, because the runs were filtered by outcome ({', '.join(outcomes)})."]
    if pairs.empty:
        return ["Nothing is claimed: at least two cells need two results each.", *_ended(could)]
    found = [_best(ranks[ranks["k"] == k], pairs[pairs["k"] == k], int(k), error, cells) for k in ranks["k"].unique()]
    if found:
        return found
    told = int((pairs["said"] != "").sum())
    if told:
        return [
            f"{told} of {len(pairs)} comparisons have a claim at an error of {error}; no cell is known to be better."
        ]
    whys = set(pairs["why"]) - {""}
    if len(whys) == 1 and (pairs["why"] != "").all():
        return [f"Nothing is claimed about the order of these cells ({whys.pop()}).", *_ended(could)]
    which = (
        "The two cells cannot be told apart" if len(cells) == 2 else f"No two of {len(cells)} cells can be told apart"
    )
    return [f"{which} at an error of {error}; the order below may be chance.", *_ended(could)]


def _best(ranks: pd.DataFrame, pairs: pd.DataFrame, k: int, error: str, cells: Sequence[str]) -> str:
    """The sentence for one budget k: the cells that none is claimed to beat, in the order of `cells`. Each other one
    has a better one, so that the best of all is among them."""
    leading = set(ranks.loc[ranks["lowest"] == 1, "cell"])
    first = [cell for cell in cells if cell in leading]
    seeds = sorted(set(pairs.loc[pairs["said"] != "", "for_seed"]) - {""})
    held = f"error {error}" + (f", for seed {' and '.join(seeds)}" if seeds else "")
    of = f"{len(ranks)} cells" + (" compared" if len(ranks) < len(cells) else "")
    when = "" if k == 1 else f"where the best of {k} models counts, "
    if len(first) == 1:
        said = f"{when}{first[0]} is the best of {of} ({held})."
    else:
        named = f"{', '.join(first[:-1])} or {first[-1]}" if len(first) <= MOST_NAMED else f"one of {len(first)} cells"
        out = len(ranks) - len(first)
        said = f"{when}the best of {of} is {named}; {out} {'is' if out == 1 else 'are'} beaten ({held})."
    return said[0].upper() + said[1:]


def _ended(sentence: str) -> list[str]:
    return [f"{sentence}."] if sentence else []
