"""Whether a process is this program at work on a given store, by the command that it was started with.

A file in a shared store may name any process: before one is signalled, the kernel is asked what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landscape.config.cli import unquoted
from landscape.store import Store, processes

DOORS = (
    "landscape.sweep",
    "landscape.evaluate",
    "landscape.runtime.worker",
    "landscape.runtime.forkserver",
    "sweeps",
    "sweeps.search.worker",
)
SCRIPTS = ("landscape-sweep", "landscape-evaluate", "landscape-sweeps")  # of the first, second and fifth
DEFAULT = "outputs"  # the store of a command that names none


def works_on(store: Store, one: Mapping[str, Any]) -> bool:
    """Whether a process that a file of the store names lives here, and its command works on this very store."""
    if not processes.is_here(one) or not processes.lives(one):
        return False
    words = processes.command(one["pid"])
    named = store_of(words)
    if named is None:
        return False
    folder = processes.folder(one["pid"])
    if folder is None and not Path(named).expanduser().is_absolute():
        return True  # where there is no /proc: a command of this program, and no more can be known
    return ((folder or Path()) / Path(named).expanduser()).resolve() == store.root.resolve()


def store_of(words: Sequence[str]) -> str | None:
    """The store that a command of this program works on, as it names it; None for any other command."""
    starts = zip(["", *words], words, strict=False)
    at = next((i for i, (before, word) in enumerate(starts) if before == "-m" or Path(word).name in SCRIPTS), None)
    if at is None or (Path(words[at]).name not in SCRIPTS and words[at] not in DOORS):
        return None
    named, rest = DEFAULT, list(words[at + 1 :])
    for word, following in zip(rest, [*rest[1:], ""], strict=True):
        if word == "--store":
            named = following
        elif word.startswith(("--store=", "store=")):
            named = unquoted(word.partition("=")[2])
    return named
