"""The page's data of single runs, in script files that the browser loads on demand.

A page opened from disk must not fetch files but may load scripts: each file calls a function of the page with its data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.figures.render import FigureRenderer
from analysis.html.images import Placed
from analysis.loading import protocols
from analysis.loading.cells import VARIED_NAMES
from analysis.loading.read_run import SCORES
from analysis.loading.runs import Collected
from analysis.loading.sweeps import Sweep
from analysis.tables import formatting
from analysis.tables.failures import OK_STATES, log_end, why
from analysis.tables.provenance import code_text, machine_lines, single_run_command, sweep_command
from landscape.config.axes import CELL_AXES
from landscape.scores import COLUMNS, CURVES
from landscape.store import Store
from landscape.store.run_meta import RunMeta

RUNS_PER_FILE = 100  # on average, at most
FACTS = {
    **{axis.name: axis.title for axis in CELL_AXES if axis.mark is None},  # the others are in the cell's label
    **{"setting": "setting", "repeat": "repeat", **VARIED_NAMES},
    **{"stage": "stage", "sampler": "sampler", "sweep": "sweep", "order": "place in the search"},
    "superseded": "superseded",
    **{"step": "D updates done", "train_s": "training", "eval_s": "evaluation", "wasted_s": "lost to interruptions"},
    **{"train_cpu_s": "training, CPU time", "eval_cpu_s": "evaluation, CPU time"},
    **{"device": "device"},
}
PICTURES = {
    "birthday": "The closest pairs of samples, side by side, four a row, the closest first.",
    "neighbours": "A sample at the left of each row, then its nearest training images, the nearest first.",
}


def write_table(key: str, shown: Mapping[str, Any], out: Path) -> None:
    """Write `out`/data/table-<key>.js: the texts and sort values of all rows of `shown` (from `page.table_rows`)."""
    heads = shown["heads"]
    sorts = {
        i: [None if row[i]["sort"] is None else _short(row[i]["sort"]) for row in shown["body"]]
        for i, head in enumerate(heads)
        if head["number"]
    }
    rows = [[cell["text"] for cell in row] for row in shown["body"]]
    _write(out / "data" / f"table-{key}.js", "table", key, {"rows": rows, "sorts": sorts})


def write_runs(
    found: Collected, distances: Mapping[str, str], placed: Placed, store: Store, renderer: FigureRenderer
) -> list[str]:
    """Write `renderer.new`/data/runs-<number>.js, or link those of the older report; returns each file's first run id.

    Runs are sorted by id, and ids in one file share a prefix, so that a new run changes one file. `distances` maps
    protocol id -> name of the distance. Lines of configurations and machines, which many runs share, are stored once
    per file; a run holds their indices.
    """
    runs = found.runs.sort_values("id", kind="stable", ignore_index=True)
    ids = runs["id"].to_numpy(str)
    digits = max(0, math.ceil(math.log(max(len(ids), 1) / RUNS_PER_FILE, 16)))
    # Ids of a store are hashes; those of a CSV may all share a prefix.
    begins = [one[:digits] for one in ids] if found.file_stats else (pd.factorize(ids)[0] // RUNS_PER_FILE).tolist()
    starts = [i for i, begin in enumerate(begins) if not i or begin != begins[i - 1]]
    hashes = pd.util.hash_pandas_object(runs, index=False).to_numpy()
    of = RunContext(found, distances, placed, store, {sweep.name: sweep for sweep in found.sweeps})
    missing: dict[str, tuple[int, int]] = {}
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(ids)], strict=True)):
        file, there = f"data/runs-{number}.js", list(dict.fromkeys(ids[start:end].tolist()))
        if not renderer.reuse(file, hashes[start:end], distances, "".join(_beside(run, of) for run in there)):
            missing[file] = start, end
    wanted = runs.iloc[[i for start, end in missing.values() for i in range(start, end)]]
    by_run: dict[str, list[dict[str, Any]]] = {}
    for row in wanted.to_dict("records"):
        by_run.setdefault(str(row["id"]), []).append({str(key): value for key, value in row.items()})
    curves = _curves(found.rows[found.rows["id"].isin(list(by_run))])
    for file, (start, end) in missing.items():
        lines = Lines()
        entries = [
            f"{json.dumps(run)}:{_entry(by_run[run], curves.get(run, {}), of, lines)}"
            for run in dict.fromkeys(ids[start:end].tolist())
        ]
        text = "landscape.runs({\n" + ",\n".join(entries) + "\n}," + json.dumps(list(lines)) + ");\n"
        (renderer.new / file).write_text(text.replace("</", "<\\/"), encoding="utf-8")
    return [str(ids[start]) for start in starts]


def _beside(run: str, of: RunContext) -> str:
    """What `_entry` depends on for a run, beside its rows in the frame, as text to hash."""
    sweep = of.sweeps.get(of.found.meta.get(run, RunMeta()).sweep or "")
    seen, step, pictures = of.found.file_stats.get(run), of.placed.grids.get(run), of.placed.scores.get(run)
    return f"{run}{seen}{step}{pictures}{sweep.command if sweep else None}"


class Lines(dict[str, int]):
    """Distinct lines of text -> their indices."""

    def __missing__(self, line: str) -> int:
        self[line] = len(self)
        return self[line]

    def numbers(self, lines: Iterable[str]) -> list[int]:
        """The index of each line; new lines are added."""
        return [self[line] for line in lines]


class RunContext(NamedTuple):
    """What all entries of runs share; see `write_runs`."""

    found: Collected
    distances: Mapping[str, str]
    placed: Placed
    store: Store
    sweeps: Mapping[str, Sweep]


def _entry(rows: list[dict[str, Any]], curves: Mapping[str, str], of: RunContext, lines: Lines) -> str:
    """One run as JSON; `rows` are its rows in the frame, one per protocol."""
    first, run = rows[0], str(rows[0]["id"])
    meta = of.found.meta.get(run)
    loud = first["status"] not in OK_STATES or any(row["worth"] == math.inf for row in rows)
    facts = {name: formatting.format_value(key, first[key]) for key, name in FACTS.items()}
    parts = [
        {
            "protocol": row["protocol"],
            "distance": of.distances.get(row["protocol"], "distance"),
            "scores": {
                name: text
                for key, name in {"fid": of.distances.get(row["protocol"], "distance"), **_score_names()}.items()
                if (text := formatting.format_value(key, row.get(key)))
            },
            "caution": protocols.caution(of.found.protocols.get(row["protocol"], protocols.UNKNOWN)),
            "best": formatting.format_value("fid_best", row["fid_best"]),
            "pictures": [
                {"file": one.file, "about": PICTURES.get(one.score, one.score), "step": f"{one.step:,}"}
                for one in of.placed.scores.get(run, [])
                if one.protocol == row["protocol"]
            ],
        }
        for row in rows
        if row["protocol"] is not None
    ]
    value = {
        "cell": first["cell"],
        "seed": str(first["seed"]),
        "status": first["status"],
        "why": why(first) if loud else "",
        "facts": {name: text for name, text in facts.items() if text},
        "warnings": of.found.warnings.get(run, []),
        "parts": parts,
        "picture": f"samples/{run}.png" if run in of.placed.grids else "",
        "picture_step": f"{of.placed.grids[run]:,}" if run in of.placed.grids else "",
        "command": sweep_command(meta or RunMeta(), of.sweeps),
        "alone": single_run_command(meta or RunMeta()),
        "machines": [lines.numbers(one) for one in machine_lines(meta or RunMeta())],
        "planned": code_text(None if meta is None else meta.planned),
        "config": lines.numbers(of.found.configs.get(run, "").splitlines()),
        "log": log_end(of.store, run) if loud and meta else "",
    }
    drawn = ",".join(f"{json.dumps(name)}:{text}" for name, text in curves.items())
    return f'{json.dumps(value)[:-1]},"curves":{{{drawn}}}}}'


def curve_names() -> dict[str, str]:
    """The scores that have learning curves, key -> label; the page names the distance by protocol."""
    return {"fid": "distance", **_score_names()}


def _score_names() -> dict[str, str]:
    shown = (key for key in SCORES if COLUMNS[key].label and not COLUMNS[key].distance)
    return {key: COLUMNS[key].label for key in shown}


def _curves(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """run id -> protocol -> the columns of its evaluations, as JSON."""
    rows = rows.sort_values(["id", "protocol", "step"], kind="stable")
    rows = rows[rows["protocol"].notna()]
    if rows.empty:
        return {}
    ids, names = rows["id"].to_numpy(), rows["protocol"].to_numpy()
    new = np.ones(len(rows), bool)
    new[1:] = (ids[1:] != ids[:-1]) | (names[1:] != names[:-1])
    starts = np.flatnonzero(new)
    ends = np.r_[starts[1:], len(rows)]
    texts = {
        key: [_short_text(value) for value in rows[key].to_numpy(float).tolist()]
        for key in ("step", "train_s", *SCORES)
        if key in rows and rows[key].notna().any()
    }
    lists = {key: rows[key].tolist() for key in CURVES if key in rows and rows[key].notna().any()}
    found: dict[str, dict[str, str]] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        parts = [
            f'"{key}":[{",".join(column[start:end])}]'
            for key, column in texts.items()
            if any(text != "null" for text in column[start:end])
        ]
        for key, column in lists.items():
            last = next((value for value in reversed(column[start:end]) if isinstance(value, list)), None)
            if last:
                parts.append(f'"{key}":[{",".join(map(_short_text, last))}]')
        found.setdefault(str(ids[start]), {})[str(names[start])] = "{" + ",".join(parts) + "}"
    return found


def _short(value: float) -> float | str:
    """Six significant digits; infinity as text, since JSON has no number for it."""
    return float(f"{value:.6g}") if math.isfinite(value) else "inf"


def _short_text(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else "null"


def _write(file: Path, function: str, *arguments: Any) -> None:
    text = ", ".join(json.dumps(argument, separators=(",", ":")) for argument in arguments)
    file.write_text(f"landscape.{function}({text});\n".replace("</", "<\\/"), encoding="utf-8")
