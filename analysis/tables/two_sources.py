"""The cells of two stores beside each other, where they were scored under one protocol; else why they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading.cells import bounded
from analysis.loading.protocols import partly_scored
from analysis.loading.runs import Collected
from analysis.tables.designs import design, refused
from analysis.tables.pairs import pair_table
from landscape.store.protocols import EvalProtocol, defining, differing_keys

MINE, THEIRS = "mine", "theirs"
COLUMNS = (
    *("data", "arch", "cell", "protocol", "runs_mine", "runs_theirs", "median_mine", "median_theirs"),
    *("ratio", "ratio_low", "ratio_high", "chance", "p", "said", "both", "equal", "differ", "why"),
)
CELL = ["data", "arch", "cell"]
LEVEL = 0.05


def two_sources(mine: Collected, theirs: Collected) -> pd.DataFrame:
    """One row per cell of either and protocol of both.

    protocol      that both were scored under; None where there is no such one
    runs_mine, runs_theirs, median_mine, median_theirs
                  runs with a result, and the median of their last distances (a diverged run is infinite)
    ratio         of mine to theirs (the median of all ratios of two runs), with its 95 % interval for the cell alone
    chance, p     that a run (a setting, where there are several) of mine ends below one of theirs, and the p of that
                  pair alone, as in `pair_table`; matched where settings and seeds are shared
    said          "mine" or "theirs" for the better one, "differ", or "": claims of all rows together are wrong with a
                  chance of 5 % at most (Holm)
    both, equal   runs that both have by id, and how many of them have the same distance to the last bit
    differ        keys in which they differ beyond their names
    why           why nothing is compared; "" where it is
    """
    texts = {**theirs.protocols, **mine.protocols}
    rows = []
    places = [tuple(map(str, place)) for one in (mine, theirs) for place in one.runs[CELL].drop_duplicates().to_numpy()]
    for place in sorted(set(places)):
        of_mine, of_theirs = (_cell(one.runs, place) for one in (mine, theirs))
        rows += [dict(zip(CELL, place, strict=True)) | row for row in _rows(of_mine, of_theirs, mine, theirs, texts)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    left = int(found["p"].notna().sum())
    for row in found.index[found["p"].notna()][np.argsort(found["p"].dropna(), kind="stable")]:  # Holm
        if float(found.loc[row, "p"]) > LEVEL / left:
            found.loc[row:row, "said"] = ""
        else:
            left -= 1
    return found


def _cell(runs: pd.DataFrame, place: tuple[str, ...]) -> pd.DataFrame:
    return runs[(runs[CELL].astype(str) == list(place)).all(axis=1)]


def _rows(
    of_mine: pd.DataFrame,
    of_theirs: pd.DataFrame,
    mine: Collected,
    theirs: Collected,
    texts: Mapping[str, EvalProtocol],
) -> list[dict[str, Any]]:
    """The rows of one cell."""
    names = [[str(name) for name in cell["protocol"].dropna().unique()] for cell in (of_mine, of_theirs)]
    common = sorted(set(names[0]) & set(names[1]))
    empty = {"protocol": None, "said": "", "differ": ""} | _counts(of_mine, of_theirs)
    if of_mine.empty or of_theirs.empty:
        return [empty | {"why": f"only in {THEIRS if of_mine.empty else MINE}"}]
    if not all(names):
        return [empty | {"why": f"not scored in {MINE if not names[0] else THEIRS}"}]
    if not common:
        one, other = min(
            ((a, b) for a in names[0] for b in names[1]),
            key=lambda pair: len(differing_keys(*(texts[name] for name in pair))),
        )
        return [empty | {"why": f"protocols differ: {_differing(texts[one], texts[other])}"}]
    rows = []
    for name in common:
        parts = [_under(cell, name) for cell in (of_mine, of_theirs)]
        partly = [
            source
            for source, one, part in zip((MINE, THEIRS), (mine, theirs), parts, strict=True)
            if partly_scored(one.runs[one.runs["arch"] == part["arch"].iloc[0]], part)
        ]
        row = empty | {"protocol": name} | _counts(*parts) | _same(*parts)
        rows.append(row | ({"why": f"scored in part in {partly[0]}"} if partly else _compared(parts, mine, theirs)))
    return rows


def _under(cell: pd.DataFrame, name: str) -> pd.DataFrame:
    """A cell's runs under a protocol, and those that diverged or were stopped under none."""
    here = cell[cell["protocol"] == name]
    return pd.concat([here, cell[cell["protocol"].isna() & cell["status"].isin(("diverged", "stopped"))]])


def _counts(of_mine: pd.DataFrame, of_theirs: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source, cell in ((MINE, of_mine), (THEIRS, of_theirs)):
        known = cell[cell["worth"].notna()].drop_duplicates("id")
        found[f"runs_{source}"] = len(known)
        found[f"median_{source}"] = float(known["worth"].median()) if len(known) else np.nan
    return found


def _same(of_mine: pd.DataFrame, of_theirs: pd.DataFrame) -> dict[str, int]:
    joined = of_mine.merge(of_theirs, on="id", suffixes=("_mine", "_theirs"))
    return {"both": len(joined), "equal": int((joined["worth_mine"] == joined["worth_theirs"]).sum())}


def _compared(parts: list[pd.DataFrame], mine: Collected, theirs: Collected) -> dict[str, Any]:
    designs = [design(bounded(cell), one.configs) for cell, one in zip(parts, (mine, theirs), strict=True)]
    if why := refused(*designs):
        return {"why": why}
    # Of a run that both have, each has its own configuration; they are equal where the ids are.
    both = pd.concat([cell.assign(cell=source) for source, cell in zip((MINE, THEIRS), parts, strict=True)])
    found = pair_table(both.reset_index(drop=True), [1], 1 - LEVEL, configs={**theirs.configs, **mine.configs})
    if found.empty:
        return {"why": "fewer than two settings or seeds"}
    row = found.iloc[0].to_dict()
    turn = row["a"] == THEIRS
    said = {"": "", "differ": "differ"}.get(row["said"])
    if said is None:
        said = THEIRS if (row["said"] == "a") == turn else MINE
    ratio = [row["ratio"], row["ratio_low"], row["ratio_high"]]
    if turn:
        ratio = [1 / ratio[0], 1 / ratio[2], 1 / ratio[1]]
    chance = 1 - row["chance"] if turn else row["chance"]
    made = dict(zip(("ratio", "ratio_low", "ratio_high"), ratio, strict=True))
    return made | {"chance": chance, "p": row["p"], "said": said, "differ": row["differ"], "why": row["why"]}


def _differing(one: EvalProtocol, other: EvalProtocol) -> str:
    """The keys on which two protocols differ, with both values."""
    a, b = defining(one), defining(other)
    said = []
    for key in differing_keys(one, other):
        short = [str(text.get(key))[:12] for text in (a, b)]
        said.append(key if short[0] == short[1] else f"{key} {short[0]} against {short[1]}")
    return ", ".join(said) or "in nothing that defines a score"


def sentences(found: pd.DataFrame) -> list[str]:
    """What a comparison comes to, in a few sentences."""
    compared = found[found["why"] == ""]
    lines = [f"{len(compared)} of {len(found)} rows are compared"]
    if total := int(found["both"].sum()):
        lines.append(
            f"{total} runs are in both; {int(found['equal'].sum())} of them have the same distance to the last bit"
        )
    claims = compared[compared["said"] != ""]
    if len(compared):
        lines.append(f"{len(claims)} cells are told apart, all together with an error of at most 5 %")
    for why, rows in found[found["why"] != ""].groupby("why", sort=True):
        cells = ", ".join(dict.fromkeys(rows["cell"]))
        lines.append(f"not compared ({why}): {cells}")
    return lines
