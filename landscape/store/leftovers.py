"""Temporary files and folders of killed processes. Their names identify the writer.

For local writers it is known whether they live. For others (and files of older versions) only whether the file still
changes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from landscape.store.process_record import ProcessRecord
from landscape.store.processes import tag_lives
from landscape.store.run_folder import RunFolder

WRITER = r"(?P<writer>[0-9a-f]{12}-\d+-\w+)"
# Names of `atomic_io.beside_of` and of the report, and names of older versions, which do not identify the writer.
NAMES = re.compile(
    rf"\..+\.{WRITER}\.[0-9a-f]{{8}}\.tmp|\.new-{WRITER.replace('writer', 'reporter')}-\w{{8}}"
    r"|\..+\.[0-9a-f]{12}\.tmp|\.previous\.tmp|\.[0-9a-f]{16}\.\w{8}|\.\w+\.\d+\.gone|\.new-\w{8}"
)


def is_leftover(name: str) -> bool:
    """Whether this is the name of a temporary file or folder, of a live or dead writer."""
    return NAMES.fullmatch(name) is not None


def writer_of(name: str) -> str | None:
    """The tag of the process that writes a temporary file; None if the name has none."""
    found = NAMES.fullmatch(name)
    return None if found is None else found["writer"] or found["reporter"]


def writer_lives(name: str) -> bool | None:
    """Whether the writer of a temporary file is alive; None if unknown."""
    writer = writer_of(name)
    return None if writer is None else tag_lives(writer)


def remove(path: Path) -> None:
    """Remove a file, a folder, or a link (not its target)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_dead(folder: Path, lost: ProcessRecord | None = None) -> None:
    """Remove temporary files of dead writers directly in `folder`. `lost` is a holder known to be dead."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            writer = writer_of(entry.name)
            if writer is not None and (tag_lives(writer) is False or (lost is not None and writer == lost.tag)):
                remove(Path(entry.path))


def clear_run(run: RunFolder, lost: ProcessRecord | None) -> None:
    """Remove temporary files of dead writers in a run's folder. `lost` is its former holder."""
    for folder in (run.path, run.claims, run.checkpoints, run.samples, run.protocols, run.requests):
        remove_dead(folder, lost)


def temporary(root: Path) -> Iterator[Path]:
    """All temporary files and folders below `root`. Links are not followed."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            if is_leftover(name):
                yield Path(folder, name)
        folders[:] = [name for name in folders if not name.startswith(".")]


def mark(path: Path) -> tuple[int, int, int]:
    """Changes while a path is written: number of files, bytes, and the latest modification time (ns)."""
    paths = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    stats = []
    for one in paths:
        with suppress(OSError):
            stats.append(one.lstat())
    return len(stats), sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)
