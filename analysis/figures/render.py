"""Draws figures in parallel, and reuses those of an older report that were made from equal data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import panels
from analysis.loading.csv_files import write_csv

MANIFEST = "figures.json"  # beside the page: a hash of what each figure and each file of runs was made from
SUFFIXES = (".png", ".svg", ".pdf")
CODE = ("analysis/figures", "analysis/estimators", "sweeps/race")
Drawn = Figure | tuple[Figure, pd.DataFrame] | None


@dataclass
class FigureRenderer:
    """Draws a report's files into the folder `new`, or links them from the older report in the folder `old`.

    The processes of `pool`, if given, draw the figures; else this one does.
    """

    new: Path
    old: Path
    pool: Executor | None = None
    before: dict[str, Any] = field(init=False)  # file or stem -> [content key, whether it exists], of the older report
    made: dict[str, tuple[str, Future[bool] | bool]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.before = _read(self.old / MANIFEST)

    def submit(self, stem: str, draw: Callable[..., Drawn], *arguments: Any, table: str | None = None) -> None:
        """Save `draw(*arguments)` as `stem`.png, .svg and .pdf; `draw` is a module's function, None means no figure.

        With `table`, it returns a figure and the frame that it shows, which is written to that file as CSV.
        A figure that the older report drew from equal arguments by the same code is linked.
        """
        key = _key([draw, arguments])
        files = [*(f"{stem}{suffix}" for suffix in SUFFIXES), *([table] if table else [])]
        into = self.new / stem, self.new / table if table else None
        if self.before.get(stem) == [key, False]:
            self.made[stem] = key, False
        elif self.before.get(stem) == [key, True] and self._link(files):
            self.made[stem] = key, True
        elif self.pool:
            self.made[stem] = key, self.pool.submit(_draw, *into, draw, arguments)
        else:
            self.made[stem] = key, _draw(*into, draw, arguments)

    def reuse(self, file: str, *parts: Any) -> bool:
        """Link `file` from the older report if it was made from equal `parts`; if False, the caller has to write it."""
        key = _key(parts)
        self.made[file] = key, True
        return self.before.get(file) == [key, True] and self._link([file])

    def wait(self) -> set[str]:
        """Wait for all figures; returns the stems of those that exist, and the other files."""
        done = {
            stem: (key, drawn if isinstance(drawn, bool) else drawn.result())
            for stem, (key, drawn) in self.made.items()
        }
        (self.new / MANIFEST).write_text(json.dumps(done))
        return {stem for stem, (_, exists) in done.items() if exists}

    def _link(self, files: list[str]) -> bool:
        """Link `files` from the older report, all or none."""
        try:
            for file in files:
                os.link(self.old / file, self.new / file)
        except OSError:
            for file in files:
                (self.new / file).unlink(missing_ok=True)
            return False
        return True


def _draw(stem: Path, table: Path | None, draw: Callable[..., Drawn], arguments: tuple[Any, ...]) -> bool:
    with np.errstate(over="ignore"):
        drawn = draw(*arguments)
        figure, frame = drawn if isinstance(drawn, tuple) else (drawn, None)
        if table is not None and frame is not None:
            write_csv(frame, table)
        if figure is not None:
            panels.save(figure, stem)
    return figure is not None


def _read(file: Path) -> dict[str, Any]:
    try:
        keys = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return keys if isinstance(keys, dict) else {}


@cache
def _code() -> bytes:
    """What a figure depends on beside its arguments: the code of this package and of what it computes with, and the
    versions of what it calls."""
    files = sorted(file for folder in CODE for file in (Path(__file__).parents[2] / folder).iterdir() if file.is_file())
    packages = " ".join(version(name) for name in ("matplotlib", "numpy", "opda", "scipy"))
    return b"".join([packages.encode(), *(file.read_bytes() for file in files)])


def _key(parts: Sequence[Any]) -> str:
    digest = sha256(_code())
    _add(digest, parts)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Feed `value` to a hash; of unknown types its repr, which at worst draws a figure again."""
    if isinstance(value, pd.DataFrame):
        digest.update(repr((list(value.columns), len(value))).encode())
        digest.update(pd.util.hash_pandas_object(value).to_numpy().tobytes())
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    elif isinstance(value, Mapping):
        _add(digest, [part for item in value.items() for part in item])
    elif isinstance(value, list | tuple):
        digest.update(f"{type(value).__name__}{len(value)}".encode())
        for part in value:
            _add(digest, part)
    elif isinstance(value, np.random.Generator):
        _add(digest, value.bit_generator.state)
    elif hasattr(value, "__dataclass_fields__"):
        _add(digest, [getattr(value, name) for name in value.__dataclass_fields__])
    elif callable(value):
        digest.update(f"{value.__module__}.{value.__qualname__}".encode())
    else:
        digest.update(repr(value).encode() + b"\0")
