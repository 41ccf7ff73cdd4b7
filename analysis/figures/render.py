"""Figures drawn side by side by several processes; no file is made again that an older report has of equal data."""

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

KEYS = "figures.json"  # beside the page: what each figure, and each file of single runs, was made from
SUFFIXES = (".png", ".svg", ".pdf")


@dataclass
class Press:
    """Where figures go (`new`), where an older report may have them (`old`), and who draws: a pool, or this process."""

    new: Path
    old: Path
    pool: Executor | None = None
    before: dict[str, Any] = field(
        default_factory=dict
    )  # stem -> what the older report drew it from, and whether it did
    begun: dict[str, tuple[str, Future[bool] | bool]] = field(default_factory=dict)


def press(new: Path, old: Path, pool: Executor | None = None) -> Press:
    return Press(new, old, pool, _read(old / KEYS))


def begin(at: Press, stem: str, draw: Callable[..., Figure | None], *arguments: Any) -> None:
    """Have `draw(*arguments)`, a function of a module, drawn into files at `stem`; it may give None for no figure.

    What the older report drew from the same arguments by the same code is linked, not drawn.
    """
    key = _key([draw, arguments])
    if at.before.get(stem) == [key, False]:
        at.begun[stem] = key, False
    elif at.before.get(stem) == [key, True] and _linked(at, [f"{stem}{suffix}" for suffix in SUFFIXES]):
        at.begun[stem] = key, True
    elif at.pool:
        at.begun[stem] = key, at.pool.submit(_draw, at.new / stem, draw, arguments)
    else:
        at.begun[stem] = key, _draw(at.new / stem, draw, arguments)


def taken_over(at: Press, file: str, *parts: Any) -> bool:
    """Whether `file`, which follows from `parts`, is linked from the older report; else the caller is to make it."""
    key = _key(parts)
    at.begun[file] = key, True
    return at.before.get(file) == [key, True] and _linked(at, [file])


def finish(at: Press) -> set[str]:
    """Wait for all that was begun; the stems of the figures, and the other files, that there are."""
    done = {
        stem: (key, drawn if isinstance(drawn, bool) else drawn.result()) for stem, (key, drawn) in at.begun.items()
    }
    (at.new / KEYS).write_text(json.dumps(done))
    return {stem for stem, (_, there) in done.items() if there}


def _draw(stem: Path, draw: Callable[..., Figure | None], arguments: tuple[Any, ...]) -> bool:
    with np.errstate(over="ignore"):
        figure = draw(*arguments)
        if figure is not None:
            panels.save(figure, stem)
    return figure is not None


def _linked(at: Press, files: list[str]) -> bool:
    """Whether all files of a figure are in the older report, and now here too."""
    try:
        for file in files:
            os.link(at.old / file, at.new / file)
    except OSError:
        for file in files:
            (at.new / file).unlink(missing_ok=True)
        return False
    return True


def _read(file: Path) -> dict[str, Any]:
    try:
        keys = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return keys if isinstance(keys, dict) else {}


@cache
def _code() -> bytes:
    """All that a figure depends on but its arguments: the code of this package, and what it calls."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    packages = " ".join(version(name) for name in ("matplotlib", "numpy", "opda", "scipy"))
    return b"".join([packages.encode(), *(file.read_bytes() for file in files)])


def _key(parts: Sequence[Any]) -> str:
    digest = sha256(_code())
    _add(digest, parts)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Feed `value` to a hash. What it does not know it takes by its text: at worst a figure is drawn again."""
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
