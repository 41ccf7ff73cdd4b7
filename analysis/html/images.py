"""Pictures in the report's folder: the newest sample grid of each run, and the pictures that scores make."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.loading.cells import countable
from analysis.tables import formatting, runs_and_cells
from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.atomic_io import open_regular

MOST_BYTES = 300_000_000  # of pictures copied; further ones are left out


class Picture(NamedTuple):
    """A picture made by a score (closest pairs, nearest training images); `file` is relative to the page."""

    score: str
    protocol: str
    step: int
    file: str


class Placed(NamedTuple):
    """The pictures in the report's folder: by run id the step of the sample grid, and the pictures of scores; by
    protocol the file with real images."""

    grids: dict[str, int]
    scores: dict[str, list[Picture]]
    real: dict[str, str]


def place_pictures(runs: pd.DataFrame, store: Store, new: Path, old: Path, problems: list[str]) -> Placed:
    """Put the newest sample grid of each run at `new`/samples/<id>.png, and pictures of scores beside it.

    The latter are named <id>-<score>-<protocol>.png. Pictures are hard links if the store is on the same disk, else
    copies, or links to those in the older report at `old`. At most `MOST_BYTES` are copied: grids first, and within
    each kind runs with the lowest distances first. Unreadable pictures add a sentence to `problems`.
    """
    copied = 0

    def place(source: Path, name: str) -> bool:
        nonlocal copied
        target, before = f"{new}/samples/{name}", f"{old}/samples/{name}"
        try:
            # Somebody with write access to the store could link to a file that only its reader may read.
            with open_regular(source, [store.runs, store.cache]) as opened:
                seen = os.fstat(opened.fileno())
                if _link(source, target) and not os.path.samestat(os.lstat(target), seen):
                    os.unlink(target)  # the file was replaced meanwhile
                if not os.path.lexists(target) and not (_same(before, seen) and _link(before, target)):
                    copied += seen.st_size
                    if copied > MOST_BYTES:
                        return False
                    with open(target, "xb") as copy:
                        shutil.copyfileobj(opened, copy)
                    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        except CorruptFile as e:
            problems.append(str(e))
            return False
        except OSError as e:
            problems.append(f"{source} cannot be read ({e.strerror})")
            return False
        return True

    placed, others = Placed({}, {}, {}), {}
    for protocol in map(str, runs["protocol"].dropna().unique()):
        real = store.real_images(protocol)
        if real.exists() and place(real, f"real-{protocol}.png"):
            placed.real[protocol] = f"samples/real-{protocol}.png"
    ranked = runs.sort_values("fid", kind="stable")["id"].drop_duplicates()
    chosen = runs_and_cells.shown_runs(countable(runs))["id"]
    for run in map(str, dict.fromkeys([*chosen, *ranked])):
        found = store.run(run).newest_pictures()
        step, source = found.pop(("", ""), (0, None))
        if source is not None and place(source, f"{run}.png"):
            placed.grids[run] = step
        if found:
            others[run] = found
    for run, found in others.items():
        for (score, protocol), (step, source) in sorted(found.items()):
            name = f"{run}-{score}-{protocol}.png"
            if place(source, name):
                placed.scores.setdefault(run, []).append(Picture(score, protocol, step, f"samples/{name}"))
    return placed


def grids(runs: pd.DataFrame, placed: dict[str, int], score: str) -> list[dict[str, str]]:
    """The sample grids on the page: for each cell the run of `runs_and_cells.shown_runs`, if it has a grid.

    `score` is the key of the score by which runs are compared.
    """
    return [
        {
            "file": f"samples/{run['id']}.png",
            "step": f"{placed[run['id']]:,}",
            **{key: formatting.format_value(key, run[key]) for key in ("cell", "seed", "fid", "is", "id")},
            "score": "" if score in ("fid", "is") else formatting.format_value(score, run[score]),
        }
        for run in runs_and_cells.shown_runs(countable(runs)).to_dict("records")
        if run["id"] in placed
    ]


def _same(file: str, seen: os.stat_result) -> bool:
    try:
        found = os.stat(file)
    except OSError:
        return False
    return (found.st_size, int(found.st_mtime)) == (seen.st_size, int(seen.st_mtime))


def _link(source: str | Path, target: str) -> bool:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
