"""The races of a store on the page: the answer, what it took, who left when, the evidence of each pair."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from analysis.figures.races import course_figure, evidence_figure
from analysis.figures.render import FigureRenderer
from analysis.loading.csv_files import write_csv
from analysis.loading.races import looks_frame, pairs_frame
from analysis.loading.runs import Collected
from analysis.tables.formatting import format_score
from landscape.config.text import duration
from landscape.store.races import CALIBRATED, CERTIFIED, ORDER, WAITING, Asked, Claim, Race

MOST_DRAWN = 24  # cells in the grid of pairs


def race_sections(found: Collected, renderer: FigureRenderer) -> list[dict[str, Any]]:
    """Submit the figures of each race and write its tables; what the template shows of it. None of a filtered page:
    a race counts all of its runs."""
    if found.filters:
        return []
    return [_section(name, race, race.claim, renderer) for name, race in found.races.items() if race.claim is not None]


def _section(name: str, race: Race, claim: Claim, renderer: FigureRenderer) -> dict[str, Any]:
    looks, pairs, names = looks_frame(race), pairs_frame(race), race.names
    k, out = race.asked.k, {one.cell: one for one in claim.out}
    measure = race.measure if k == 1 else f"{race.measure}, best of {k}"
    bars = claim.bars
    figures = {}
    if len(looks) and bars is not None:
        figures["course"] = f"figures/{name}-course"
        levels = [("certified", bars.certified)]
        if bars.out < bars.certified:
            levels.append(("calibrated", bars.out))
        left = {cell: one.round for cell, one in out.items()}
        renderer.submit(figures["course"], course_figure, looks, names, left, levels, measure)
        if len(names) <= MOST_DRAWN:
            figures["evidence"] = f"figures/{name}-evidence"
            renderer.submit(figures["evidence"], evidence_figure, pairs, names, (bars.out, bars.certified))
    cells = _cells(race, claim, looks)
    told = pairs.assign(a=[names[i] for i in pairs["a"]], b=[names[i] for i in pairs["b"]])
    if bars is not None:
        told["passes"] = [
            CERTIFIED if x >= bars.certified else CALIBRATED if x >= bars.out else "" for x in told["evidence"]
        ]
    shown = looks.assign(cell=[names[int(i)] for i in looks["cell"]])
    for kind, frame in (("cells", pd.DataFrame(cells)), ("evidence", told), ("looks", shown)):
        write_csv(frame, renderer.new / "tables" / f"{name}-{kind}.csv")
    return {
        "key": name,
        "sentence": claim.sentence,
        "state": claim.state,
        "kind": claim.kind,
        "waiting": claim.state == WAITING,
        "questions": [_asked(race, i, one) for i, one in enumerate(race.questions)],
        "newest": claim.question,
        "cost": _cost(race, claim),
        "cells": cells,
        "measure": measure,
        "near": [
            f"{names[one.cell]} is within a factor {max(math.ceil(1000 * one.factor) / 1000, 1.0):g} of the best "
            f"({one.kind})"
            for one in claim.near
        ],
        "pairs": [f"{names[a]} is better than {names[b]}" for a, b in claim.pairs],
        "bars": bars,
        "figures": figures,
        "evidence": told.sort_values("evidence", ascending=False).to_dict("records"),
        "matched": race.asked.matched,
        "by_cost": race.asked.by_cost,
        "relates": race.asked.order or race.asked.top is not None,
    }


def _cells(race: Race, claim: Claim, looks: pd.DataFrame) -> list[dict[str, Any]]:
    """A line a cell: those that are left, then the others, the last to leave first; of the order, that."""
    names, out = race.names, {one.cell: one for one in claim.out}
    left = [cell for cell in range(len(names)) if cell not in out]
    order = list(claim.ranking) if claim.state == ORDER else [*left, *(one.cell for one in reversed(claim.out))]
    counted = race.counted()
    runs = [of[:n] for of, n in zip(race.distances(), counted, strict=True)]
    hours = [of[:n] for of, n in zip(race.hours(), counted, strict=True)]
    middle = looks.groupby("cell")["quantile"].last()
    rows = []
    for cell in order:
        one = out.get(cell)
        better = None if one is None or one.by is None else names[one.by]
        place = ""
        if race.asked.top is not None and one is not None:
            place = f"{'among' if cell in claim.ranking else 'not among'} the best {race.asked.top}"
        rows.append(
            {
                "cell": names[cell],
                "runs": len(runs[cell]),
                "hours": sum(hours[cell]),
                "infinite": sum(math.isinf(x) for x in runs[cell]),
                "quantile": float(middle.get(cell, math.nan)),
                "left_in_round": None if one is None else one.round,
                "better": better,
                "place": place,
                "kind": None if one is None else one.kind,
            }
        )
    return rows


def _cost(race: Race, claim: Claim) -> dict[str, Any]:
    """What the race took, and what the whole grid would have: the budget in runs, at the mean hours of each cell."""
    hours, n = race.hours(), len(race.cells)
    each = race.asked.budget / n
    whole = sum(sum(of) / len(of) * each for of in hours if of)
    told = all(of and sum(of) > 0 for of in hours)
    return {
        "runs": claim.spent,
        "beyond": len(race.tickets) - claim.spent,
        "grid": race.asked.budget,
        "each": f"{each:g}",
        "share": f"{claim.spent / race.asked.budget:.0%}",
        "hours": duration(3600 * claim.hours) if claim.hours else "",
        "grid_hours": duration(3600 * whole) if told else "",
        "hours_share": f"{claim.hours / whole:.0%}" if told else "",
    }


def _asked(race: Race, place: int, asked: Asked) -> str:
    error = f"error at most {100 * asked.error / 2**place:.3g} %"
    return f"{asked.words}; {error}" + (f"; asked when {asked.after} runs had counted" if place else "")


def shown_quantile(value: float) -> str:
    """A quantile as text: infinite where that many runs had diverged."""
    return "" if math.isnan(value) else "infinite" if math.isinf(value) else format_score("fid", value)
