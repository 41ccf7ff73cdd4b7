"""The report's page: what each part says, gathered into plain dictionaries for the template."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import diagnostics, panels, protocols, tables
from analysis.cells import cell_order, countable, independent, no_bands, worths
from analysis.cost import evaluation
from analysis.load import Collected
from analysis.origins import reproduce
from analysis.palette import Look, looks
from analysis.said import HEADS, shown, statements, write_tables
from analysis.study_page import study_parts
from analysis.trials import GRID
from landscape.store import DIVERGED, FAILED, STATES, STOPPED, Store

# A run that ended in one of these, or goes on, needs no word on what happened to it.
QUIET = {state for state in STATES if state not in (DIVERGED, FAILED, STOPPED)}
LOG_LINES = 12


def content(found: Collected, store: Store, out: Path) -> dict[str, Any]:
    """Everything that the template shows. Fills the folders figures, samples and tables of `out`."""
    parts = protocols.sections(found.runs)
    order = list(dict.fromkeys(label for _, _, runs in parts for label in cell_order(runs)))
    look = looks(order)
    distinct = found.runs.drop_duplicates("id")
    drawn = [
        section(found, store, out, look, data, name, runs, f"{number:02d}-{_slug(data)}")
        for number, (data, name, runs) in enumerate(parts, 1)
    ]
    return {
        "n_runs": len(distinct),
        "narrowed": list(found.narrowed),
        "states": [(s, int(n)) for s, n in distinct["status"].value_counts().items()],
        "data": sorted(distinct["data"].unique()),
        "n_cells": distinct.groupby(["data", "arch", "cell"]).ngroups,
        "cost": {key: tables.seconds(float(distinct[key].sum())) for key in ("train_s", "eval_s", "wasted_s")},
        "evaluation": evaluation(found.runs),
        "problems": [problem.replace(f"{store.root}/", "") for problem in found.problems],
        "several": _what_differs(parts, found.protocols),
        "studies": study_parts(found, parts, out),
        "sections": drawn,
        "troubles": troubles(distinct, store),
        "reproduce": reproduce(found),
    }


def section(
    found: Collected,
    store: Store,
    out: Path,
    look: Mapping[str, Look],
    data: str,
    name: str | None,
    runs: pd.DataFrame,
    key: str,
) -> dict[str, Any]:
    """One part of the page: the runs of one data set under one protocol. `key` begins its figures' names."""
    protocols.one_protocol(runs, found.protocols)
    text = found.protocols.get(name or "", {})
    distance = protocols.distance_name(text)
    untrained = float(runs["fid_start"].median())
    order, counted = cell_order(runs), countable(runs)
    drawn: dict[str, str] = {}

    def keep(kind: str, figure: Figure | None) -> None:
        if figure is not None:
            drawn[kind] = f"figures/{key}-{kind}"
            panels.save(figure, out / drawn[kind])

    settings = _figures(found, look, name, runs, distance, untrained, keep)
    said = statements(found, runs, text, look, distance, keep)
    frames = said.pop("frames")
    cells, singles = tables.cell_table(runs), tables.run_table(runs)
    write_tables(frames | {"cells": cells}, tables.CELL_COLUMNS, distance, out / "tables" / key)
    return said | {
        "key": key,
        "data": data,
        "protocol": name,
        "spelled": protocols.spell_out(text) if name else "",
        "distance": distance,
        "classifier": text.get("extractor") == "classifier",
        "floor": protocols.spell_floor(text),
        "untrained": tables.score("fid", untrained) if math.isfinite(untrained) else "",
        "diverged": int((runs["status"] == DIVERGED).sum()),
        "results": int(counted["worth"].notna().sum()),
        "clustered": [label for label in order if not independent(counted[counted["cell"] == label])],
        "no_mean": _without_mean(counted),
        "settings": settings,
        "figures": drawn,
        "tables": {
            kind: _rows(shown(kind, frame, distance), HEADS[kind], distance)
            for kind, frame in frames.items()
            if len(frame)
        },
        "cells": _rows(cells, tables.CELL_COLUMNS, distance),
        "runs": _rows(singles, tables.RUN_COLUMNS, distance),
        "diagnostics": _rows(diagnostics.diagnostic_table(counted, text), diagnostics.COLUMNS, distance),
        "score_cost": diagnostics.spell_cost(found.rows[found.rows["protocol"] == name]),
        "grids": grids(runs, store, out, found.problems),
        "frame": cells.assign(data=data, protocol=name),
    }


def _figures(
    found: Collected,
    look: Mapping[str, Look],
    name: str | None,
    every: pd.DataFrame,
    distance: str,
    untrained: float,
    keep: Callable[[str, Figure | None], None],
) -> bool:
    """Draw the floor, the curves over k, all runs and the learning curves, as far as there is data.

    Returns whether settings are drawn too.
    """
    text = found.protocols.get(name or "", {})
    if by_n := protocols.floor_by_n(text):
        keep("floor", panels.floor_figure(by_n, int(text["floor"].get("n", 0)), distance))
    runs, order = countable(every), cell_order(every)
    units = {unit: _in_order(worths(runs, unit), order) for unit in ("run", "setting")}
    settings = bool((units["setting"].groupby("cell").size() >= 2).any())
    if len(units["run"]):
        for unit in ("run", "setting") if settings else ("run",):
            end = "" if unit == "run" else "-settings"
            keep(f"budget{end}", panels.budget_figure(units[unit], look, distance, unit, untrained))
            keep(f"band{end}", panels.band_figure(units[unit], no_bands(runs, unit), look, distance, unit))
        keep("distribution", panels.distribution_figure(units["run"], look, distance, untrained))
    # The section's labels (they may name the architecture) replace the plain ones.
    rows = found.rows[found.rows["protocol"] == name].drop(columns="cell")
    rows = rows.merge(every.drop_duplicates("id")[["id", "cell"]], on="id")
    if np.isfinite(rows["fid"].to_numpy(float)).any():
        keep("training", panels.training_figure(rows, order, look, distance))
    return settings


def grids(runs: pd.DataFrame, store: Store, out: Path, problems: list[str]) -> list[dict[str, str]]:
    """The newest sample grid of each cell's run with the lowest final distance, copied into `out`/samples.

    Of a cell without any score, that of its first run.
    """
    shown = []
    for _, run in tables.shown_runs(countable(runs)).iterrows():
        folder = store.run(str(run["id"])).samples
        pictures = sorted(p for p in folder.glob("*.png") if p.stem.isdigit()) if folder.is_dir() else []
        if not pictures:
            continue
        copy = f"samples/{run['id']}.png"
        try:
            picture = pictures[-1].read_bytes()
        except OSError as e:
            problems.append(f"{pictures[-1]} cannot be read ({e.strerror})")
            continue
        (out / copy).write_bytes(picture)
        facts = {key: tables.written(key, run[key]) for key in ("cell", "seed", "fid", "is", "id")}
        shown.append({"file": copy, "step": f"{int(pictures[-1].stem):,}", **facts})
    return shown


def troubles(distinct: pd.DataFrame, store: Store) -> list[dict[str, str]]:
    """What failed, diverged, was stopped or has no finite score, and why; of failed runs the end of the log."""
    rank = {FAILED: 0, DIVERGED: 1, STOPPED: 2}
    loud = distinct[~distinct["status"].isin(QUIET) | np.isinf(distinct["worth"])]
    loud = loud.assign(_rank=loud["status"].map(rank).fillna(3)).sort_values(["_rank", "cell", "seed"])
    return [
        {
            **{key: str(run[key]) for key in ("id", "status", "data", "cell", "seed")},
            "step": f"{int(run['step']):,} of {int(run['steps']):,}",
            "reason": run["reason"] or run["why"] or "no reason was recorded",
            "log": _log(store, str(run["id"])) if run["status"] == FAILED else "",
        }
        for _, run in loud.iterrows()
    ]


def _rows(frame: pd.DataFrame, names: dict[str, str], distance: str) -> dict[str, Any]:
    """A frame for the template: heads, and cells with the text shown and the number sorted by."""
    # What says the same of every row, or nothing, is in the CSV; diversity is MS-SSIM once more.
    quiet = {"varied": "", "wasted_s": 0.0, "repeat": 0, "stage": GRID}
    silent = {"diversity", *(key for key in quiet.keys() & set(frame) if (frame[key] == quiet[key]).all())}
    silent |= {key for key in tables.MAY_LACK if key in frame and frame[key].isna().all()}
    frame = frame[[key for key in frame if key not in silent]]
    heads = [
        {
            "name": names.get(str(key), str(key)).format(distance=distance),
            "number": pd.api.types.is_numeric_dtype(frame[key]),
        }
        for key in frame
    ]
    body = [
        [
            {"text": tables.written(str(key), value), "sort": value if head["number"] and not pd.isna(value) else None}
            for (key, value), head in zip(row.items(), heads, strict=True)
        ]
        for row in frame.astype(object).to_dict("records")
    ]
    return {"heads": heads, "body": body}


def _what_differs(parts: list[tuple[str, str | None, pd.DataFrame]], texts: protocols.Texts) -> list[dict[str, Any]]:
    """For each data set that was scored under several protocols: how many, and in which keys they differ."""
    names: dict[str, list[str]] = {}
    for data, name, _ in parts:
        if name is not None:
            names.setdefault(data, []).append(name)
    return [
        {"data": data, "count": len(several), "differ": protocols.differing(several, texts)}
        for data, several in names.items()
        if len(several) > 1
    ]


def _without_mean(runs: pd.DataFrame) -> list[str]:
    """Cells whose mean cannot be drawn: a diverged run of theirs has no step-0 score under this protocol."""
    units = worths(runs)
    return sorted(units.loc[units["capped"].isna(), "cell"].unique())


def _in_order(units: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    return units.assign(_place=units["cell"].map({c: i for i, c in enumerate(order)})).sort_values(
        "_place", kind="stable"
    )


def _slug(name: str) -> str:
    """`name` fit for a file and a link."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def _log(store: Store, run: str) -> str:
    try:
        return store.run(run).log_tail(LOG_LINES)
    except OSError as e:
        return f"(the log cannot be read: {e.strerror})"
