"""Sample grids: the newest of each run, in the report's folder, and those of the best runs for the page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd

from analysis import tables
from analysis.cells import countable
from landscape.store import Store

MOST_BYTES = 300_000_000  # of pictures copied; what is beyond stays in the store


def place_pictures(runs: pd.DataFrame, store: Store, new: Path, old: Path, problems: list[str]) -> dict[str, int]:
    """Put the newest sample grid of each run at `new`/samples/<id>.png; the step it was drawn at, by run.

    Linked where the store is on the same disk, else copied (a picture that the report at `old` has is not copied
    again), runs with the lowest distances first, until `MOST_BYTES` are reached.
    """
    placed, copied = {}, 0
    ranked = runs.sort_values("fid", kind="stable")["id"].drop_duplicates()
    chosen = tables.shown_runs(countable(runs))["id"]
    for run in dict.fromkeys([*chosen, *ranked]):
        source, step = _newest(store.run(str(run)).samples)
        if source is None:
            continue
        target, before = new / "samples" / f"{run}.png", old / "samples" / f"{run}.png"
        try:
            if not _link(source, target):
                seen = source.stat()
                if not (_same(before, seen) and _link(before, target)):
                    copied += seen.st_size
                    if copied > MOST_BYTES:
                        continue
                    shutil.copy2(source, target)
        except OSError as e:
            problems.append(f"{source} cannot be read ({e.strerror})")
            continue
        placed[str(run)] = step
    return placed


def grids(runs: pd.DataFrame, placed: dict[str, int]) -> list[dict[str, str]]:
    """Of each cell the run with the lowest final distance, for the page; of a cell without scores its first run."""
    return [
        {
            "file": f"samples/{run['id']}.png",
            "step": f"{placed[run['id']]:,}",
            **{key: tables.written(key, run[key]) for key in ("cell", "seed", "fid", "is", "id")},
        }
        for run in tables.shown_runs(countable(runs)).to_dict("records")
        if run["id"] in placed
    ]


def _newest(folder: Path) -> tuple[Path | None, int]:
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return None, 0
    steps = {int(name[:-4]): folder / name for name in names if name.endswith(".png") and name[:-4].isdigit()}
    return (steps[max(steps)], max(steps)) if steps else (None, 0)


def _same(file: Path, seen: os.stat_result) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    return (found.st_size, int(found.st_mtime)) == (seen.st_size, int(seen.st_mtime))


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
