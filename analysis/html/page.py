"""The content of the report's page, as plain dictionaries for the template."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.critic import norms_apart
from analysis.estimators.repeated_searches import several_searches, trajectories
from analysis.figures import panels
from analysis.figures.axes import MAX_LINES
from analysis.figures.critic import critic_figure
from analysis.figures.render import FigureRenderer
from analysis.figures.style import CellStyle, cell_styles
from analysis.html.curve_json import budget_curves
from analysis.html.images import grids, place_pictures
from analysis.html.paper import paper_sections
from analysis.html.races import race_sections
from analysis.html.run_pages import curve_names, write_runs, write_table
from analysis.html.sections import CONFIDENCE, TABLE_HEADERS, section_tables, shown_table, write_tables
from analysis.loading import protocols
from analysis.loading.cells import (
    PICKED,
    adaptive,
    bounded,
    cell_facts,
    cell_order,
    cells_to_draw,
    countable,
    equal_seeds,
    independent,
    no_bands,
    stopped_cells,
    unit_values,
)
from analysis.loading.clocks import spent, time_of, unseen
from analysis.loading.csv_files import write_csv
from analysis.loading.distances import is_distance_column, to_file_columns
from analysis.loading.filters import on_outcome
from analysis.loading.measure import Measure, judged, measure_of, score_values
from analysis.loading.read_run import OF_TRAINING
from analysis.loading.runs import Collected
from analysis.tables import diagnostics, formatting, runs_and_cells
from analysis.tables.critic import critic_table
from analysis.tables.evaluation_cost import evaluation_sentences
from analysis.tables.failures import failures
from analysis.tables.provenance import provenance
from analysis.tables.standings import HEADERS as STANDINGS
from analysis.tables.standings import answer, as_lines, shown_standings, standing_table
from landscape.config.text import duration
from landscape.config.versions import CHANGES
from landscape.scores import COLUMNS, distance_key
from landscape.store import DIVERGED, Store
from landscape.store.protocols import EvalProtocol
from landscape.store.trials import GRID

MOST_PARTS = 12  # sections with figures; further ones have tables only


def content(found: Collected, store: Store, renderer: FigureRenderer) -> dict[str, Any]:
    """Everything that the template shows. Writes all other files of the report into `renderer.new`."""
    parts, score = protocols.sections(found.runs), measure_of(found.score, protocols.UNKNOWN)
    by_score = [
        judged(runs, found.rows[found.rows["protocol"] == name], found.score, _text(found, name))
        for _, name, runs in parts
    ]
    styles = cell_styles(cell_facts(pd.concat([runs for _, _, runs in parts])))
    distinct = found.runs.drop_duplicates("id")
    compared = [(data, name, runs) for (data, name, _), runs in zip(parts, by_score, strict=True)]
    studies = paper_sections(found, compared, renderer) if score.is_distance else []
    races = race_sections(found, renderer)
    drawn = [
        section(found, renderer, styles, *part, runs, f"{number:02d}-{_slug(part[0])}", number <= MOST_PARTS)
        for number, (part, runs) in enumerate(zip(parts, by_score, strict=True), 1)
    ]
    placed = place_pictures(
        pd.concat([runs for _, _, runs in parts]), store, renderer.new, renderer.old, found.problems
    )
    for part, runs in zip(drawn, by_score, strict=True):
        place = {row[0]["text"]: i for i, row in enumerate(part["standings"]["body"])}  # of unscored runs none
        part["grids"] = grids(runs, placed.grids, part["score"].column.key)
        part["grids"].sort(key=lambda grid: place.get(grid["cell"], 0))
        part["thumbs"] = {grid["cell"]: grid["file"] for grid in part["grids"]}
        part["real"] = placed.real.get(part["protocol"] or "")
    distances = {name: protocols.distance_label(text) for name, text in found.protocols.items()}
    shards = write_runs(found, distances, placed, store, renderer)
    _write_frames(found, [part.pop("frame") for part in drawn], renderer.new)
    there = renderer.wait()
    for part in drawn:
        part["figures"] = {kind: stem for kind, stem in part["figures"].items() if stem in there}
    return {
        "n_runs": len(distinct),
        "score": score,
        "filters": list(found.filters),
        "pooled": list(found.pooled_over),
        "superseded": _superseded(distinct),
        "states": [(s, int(n)) for s, n in distinct["status"].value_counts().items()],
        "data": sorted(distinct["data"].unique()),
        "n_cells": distinct.groupby(["data", "arch", "cell"]).ngroups,
        "cost": {key: duration(spent(distinct, found.meta, key)) for key in ("train_s", "eval_s", "wasted_s")},
        "time": time_of(distinct),
        "evaluation": evaluation_sentences(found.runs),
        "problems": [problem.replace(f"{store.root}/", "") for problem in found.problems],
        "several": _what_differs(parts, found.protocols),
        "studies": studies,
        "races": races,
        "sections": drawn,
        "failures": failures(distinct, store),
        "strangers": [
            text.replace(f"{store.root}/", "") for text in (store.unknown_folders() if found.file_stats else ())
        ],
        "reproduce": provenance(found),
        "shards": shards,
        "lines": MAX_LINES,
        "curve_names": curve_names(),
    }


def _superseded(distinct: pd.DataFrame) -> list[tuple[int, str]]:
    """(number of runs, sentence) for each choice that has changed its meaning since runs were trained with it."""
    marks = distinct["superseded"].dropna()
    counts = {change: int(marks.str.contains(change.before, regex=False).sum()) for change in CHANGES}
    return [(count, f"{change.choice} before {change.when}: {change.why}") for change, count in counts.items() if count]


def _write_frames(found: Collected, cells: list[pd.DataFrame], out: Path) -> None:
    every, first = pd.concat(cells, ignore_index=True), ["data", "protocol"]
    every = every[[*first, *every.columns.drop(first)]]
    for frame, name in ((every, "cells.csv"), (found.runs, "runs.csv")):
        write_csv(to_file_columns(frame, frame["protocol"], found.protocols), out / name)


def section(
    found: Collected,
    renderer: FigureRenderer,
    styles: Mapping[str, CellStyle],
    data: str,
    name: str | None,
    runs: pd.DataFrame,
    compared: pd.DataFrame,
    key: str,
    draw: bool = True,
) -> dict[str, Any]:
    """One section of the page: the runs of one data set under one protocol; `key` begins the names of its files.

    `compared` is `runs` as `judged` by the report's score: curves, boxes, claims and the best runs are of it.

    Without `draw` it has no figures and no pairs.
    """
    protocols.one_protocol(runs, found.protocols)
    text = _text(found, name)
    distance, measure = protocols.distance_label(text), measure_of(found.score, text)
    untrained = float(runs["fid_start"].median())
    order, counted = cell_order(runs), countable(compared)
    words = {
        **{"distance": distance, "score": measure.name, "lowest": "lowest final" if measure.is_distance else "final"},
        **{"key": distance_key(text.extractor), "time": time_of(runs)},
        "what": "distances" if measure.is_distance else measure.name,
    }
    lacking = found.score is not None and not np.isfinite(compared["worth"]).any()
    partly = protocols.partly_scored(found.runs, compared) if name and not lacking else {}
    whole = compared[~compared["cell"].isin([*partly, *(order if lacking else ())])]
    to_draw = cells_to_draw(whole) if draw else []
    drawn: dict[str, str] = {}

    def submit(kind: str, *figure: Any, table: bool = False) -> None:
        drawn[kind] = f"figures/{key}-{kind}"
        renderer.submit(drawn[kind], *figure, table=f"tables/{key}-{kind}.csv" if table else None)

    few = compared[compared["cell"].isin(to_draw)]
    curves = _figures(found, styles, name, few, measure, float(compared["fid_start"].median()), submit)
    said = section_tables(found, compared, to_draw, text, styles, measure, submit)
    frames = said.pop("frames")
    evaluated = norms_apart(_evaluations(found, name, compared, measure), found.configs)
    frames["critic"] = critic_table(evaluated, order, CONFIDENCE)
    if draw and len(frames["critic"]):
        submit("critic", critic_figure, evaluated, to_draw, styles, measure, CONFIDENCE)
    standings = standing_table(compared, frames["spread"], [*partly], measure)
    if not name or standings["score_median"].isna().all():
        standings = standings[:0]  # of nothing that is scored, or of runs that confirm alone
    frames["standings"] = standings
    named = [label for label in standings["cell"] if label in set(whole["cell"])]
    claimed = answer(named, frames["pairs"], frames["ranks"], said["could"], said["error"], said["outcomes"])
    cells, singles = runs_and_cells.cell_table(runs), runs_and_cells.run_table(runs)
    asked_why = diagnostics.diagnostic_table(countable(runs), text)
    write_tables(
        frames | {"cells": cells, "diagnostics": asked_why},
        runs_and_cells.CELL_COLUMNS,
        words,
        renderer.new / "tables" / key,
        measure,
    )
    rows = table_rows(singles, runs_and_cells.RUN_COLUMNS, words)
    write_table(key, rows, renderer.new)
    return said | {
        "key": key,
        "data": data,
        "protocol": name,
        "answer": claimed if len(standings) and draw else [],
        "spelled": protocols.describe_protocol(text) if name else "",
        "distance": distance,
        "score": measure,
        "lacking": lacking,
        "classifier": text.extractor == "classifier",
        "floor": protocols.describe_floor(text),
        "caution": protocols.caution(text),
        "untrained": formatting.format_score("fid", untrained) if math.isfinite(untrained) else "",
        "diverged": int((runs["status"] == DIVERGED).sum()),
        "results": int(counted["worth"].notna().sum()),
        "clustered": [label for label in order if not independent(counted[counted["cell"] == label])],
        "cut": stopped_cells(compared),
        "no_mean": _without_mean(counted),
        "partly": partly,
        "settings": "setting" in curves,
        "drawn": len(to_draw),
        "n_cells": 0 if lacking else len(order) - len(partly),
        "curves": curves,
        "figures": drawn,
        "tables": {
            kind: table_rows(shown_table(kind, frame, distance, measure), TABLE_HEADERS[kind], words)
            for kind, frame in frames.items()
            if len(frame) and kind != "standings"
        },
        "standings": standing_rows(standings, measure, words),
        "cells": table_rows(cells, runs_and_cells.CELL_COLUMNS, words),
        "runs": {"heads": rows["heads"], "count": len(rows["body"])},
        "diagnostics": table_rows(asked_why, diagnostics.HEADERS, words),
        "score_cost": diagnostics.describe_cost(found.rows[found.rows["protocol"] == name]),
        "frame": cells.assign(data=data, protocol=name),
    }


def _figures(
    found: Collected,
    styles: Mapping[str, CellStyle],
    name: str | None,
    every: pd.DataFrame,
    measure: Measure,
    start: float,
    submit: Callable[..., None],
) -> dict[str, Any]:
    """Submit the figures of the floor, budgets, final scores and learning curves, as far as there are data.

    `start` is the median `fid_start`. Returns the budget curves for the interactive chart, by unit.
    """
    text, untrained = _text(found, name), measure.own(start)
    if measure.is_distance and text.floor and (by_n := protocols.floor_by_n(text)):
        submit("floor", panels.floor_figure, by_n, int(text.floor.get("n", 0)), measure.name)
    every = every[every["superseded"].isna()]
    order = cell_order(every)
    units = {
        "run": _in_order(unit_values(every), order),
        "setting": _in_order(unit_values(equal_seeds(every), "setting"), order),
    }
    curves: dict[str, Any] = {}
    if len(units["run"]):
        # Trials of an adaptive search are not independent draws: the best after k trials is drawn instead.
        searched = {label for label, cell in bounded(every).groupby("cell") if adaptive(cell)}
        paths = trajectories(several_searches(every, found.trials, fewest=1))
        paths = {label: paths[label] for label in order if label in searched & {*paths}}
        picked = any(on_outcome(condition) for condition in found.filters)
        for unit in ("run", "setting") if (units["setting"].groupby("cell").size() >= 2).any() else ("run",):
            end, apart = "" if unit == "run" else "-settings", no_bands(every, unit)
            apart = dict.fromkeys(order, PICKED) if picked else apart
            drawn = units[unit][~units[unit]["cell"].isin(searched)]
            if len(drawn) or paths:
                submit(f"budget{end}", panels.budget_figure, drawn, paths, styles, measure, unit, untrained)
                curves[unit] = budget_curves(drawn, paths, apart, styles, measure)
            if len(drawn):
                submit(f"band{end}", panels.band_figure, drawn, apart, styles, measure, unit)
        submit("distribution", panels.distribution_figure, units["run"], styles, measure, untrained)
    rows = _evaluations(found, name, every, measure)[["id", "status", "step", "score", "cell"]]
    if np.isfinite(rows["score"].to_numpy(float)).any():
        submit("training", panels.training_figure, rows, order, styles, measure)
    return curves


def _evaluations(found: Collected, name: str | None, runs: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The evaluations of `runs` under the protocol `name`, with their `score` and what training said at them.

    `cell` has the section's labels, which may name the architecture. Superseded runs are left out.
    """
    rows = found.rows[found.rows["protocol"] == name]
    rows = rows.assign(score=score_values(rows, measure.column))[["id", "status", "step", "score", *OF_TRAINING]]
    counted = runs[runs["superseded"].isna()].drop_duplicates("id")
    return rows.merge(counted[["id", "cell"]], on="id")


def table_rows(frame: pd.DataFrame, names: dict[str, str], words: Mapping[str, str]) -> dict[str, Any]:
    """A frame for the template: headers (`words` fill their placeholders) and cells with text and sort value."""
    # Columns without information are in the CSV alone, as is diversity, which is 1 - MS-SSIM.
    quiet = {"varied": "", "wasted_s": 0.0, "repeat": 0, "stage": GRID}
    silent = {
        "diversity",
        *unseen(map(str, frame)),
        *(key for key in quiet.keys() & set(frame) if (frame[key] == quiet[key]).all()),
    }
    silent |= unseen(map(str, frame)) | {
        key for key in (*runs_and_cells.SCORE_NAMES, "superseded") if key in frame and frame[key].isna().all()
    }
    frame = frame[[key for key in frame if key not in silent]]
    heads = [
        {
            "name": names.get(str(key), str(key)).format(**words),
            "number": pd.api.types.is_numeric_dtype(frame[key]),
            "run": key == "id",
            "better": "lower" if is_distance_column(str(key)) else COLUMNS[key].better if key in COLUMNS else None,
        }
        for key in frame
    ]
    body = [
        [
            {
                "text": formatting.format_value(str(key), value),
                "sort": value if head["number"] and not pd.isna(value) else None,
            }
            for (key, value), head in zip(row.items(), heads, strict=True)
        ]
        for row in frame.astype(object).to_dict("records")
    ]
    return {"heads": heads, "body": body}


def standing_rows(frame: pd.DataFrame, measure: Measure, words: Mapping[str, str]) -> dict[str, Any]:
    """A `standing_table` for the template, as from `table_rows`."""
    shown = shown_standings(frame, measure)
    heads = [
        {"name": STANDINGS[str(key)].format(**words), "number": key != "cell", "run": False, "better": None}
        for key in shown
    ]
    body = [
        [{"text": text, "sort": None if pd.isna(value) else value} for text, value in zip(told, row, strict=True)]
        for told, row in zip(shown.to_numpy(object), frame[[*shown]].to_numpy(object), strict=True)
    ]
    return {"heads": heads, "body": body}


def first_lines(page: Mapping[str, Any]) -> list[str]:
    """The page's first screen for a terminal: what may be claimed in each section, and its cells, best first."""
    lines = []
    for part in page["sections"]:
        name = part["data"] + (f", protocol {part['protocol'][:6]}" if part["protocol"] else "")
        rows = part["standings"]
        table = as_lines(
            [head["name"] for head in rows["heads"]], [[one["text"] for one in row] for row in rows["body"]]
        )
        if rows["body"]:
            lines += [*([f"{name}:"] if len(page["sections"]) > 1 else []), *part["answer"], *table]
    return lines


def _what_differs(parts: list[tuple[str, str | None, pd.DataFrame]], texts: protocols.Texts) -> list[dict[str, Any]]:
    """For each data set scored under several protocols: how many, and the keys on which they differ."""
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
    """Cells without a curve of the mean: one of their diverged runs has no step-0 score under this protocol."""
    units = unit_values(runs)
    return sorted(units.loc[units["capped"].isna(), "cell"].unique())


def _in_order(units: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    return units.assign(_place=units["cell"].map({c: i for i, c in enumerate(order)})).sort_values(
        "_place", kind="stable"
    )


def _text(found: Collected, name: str | None) -> EvalProtocol:
    return found.protocols.get(name or "", protocols.UNKNOWN)


def _slug(name: str) -> str:
    """`name` with characters that are safe in file names and links."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:60]
