"""Undoes what planning wrote if the scheduler refused all of it."""

from __future__ import annotations

import shutil
import stat
from contextlib import suppress
from pathlib import Path

from landscape.config.errors import CorruptFile
from landscape.store import PLANNED, Store, SweepFolder
from landscape.store.atomic_io import is_ours_alone, open_regular, write_whole
from landscape.store.leases import claim_in_force


class SweepFilesBackup:
    """A copy of a sweep's own files from before a command writes them."""

    def __init__(self, store: Store, folder: SweepFolder) -> None:
        self.store, self.folder = store, folder
        self.new = not folder.path.exists()
        files = (folder.plan_file, folder.jobs_file, store.search_file(folder.name), store.trials_file(folder.name))
        self.files = {file: _content(file) for file in files}

    def restore(self, created: set[str]) -> None:
        """Remove the `created` runs, except those that have a worker or are part of another sweep, and restore the
        sweep's files. The caller holds the submit lock. If a local command trains the sweep, nothing is removed."""
        if self.folder.controller_file.exists():
            return
        with suppress(CorruptFile):  # an unreadable plan may want any of the runs
            wanted = {
                run for one in self.store.sweep_folders() if one.name != self.folder.name for run in one.plan().runs
            }
            for run in created - wanted:
                _remove(self.store, run)
        if self.new:
            shutil.rmtree(self.folder.set_aside(), ignore_errors=True)
            return
        for file, (content, ours) in self.files.items():
            if content is None:
                file.unlink(missing_ok=True)
            elif content != _content(file)[0]:
                write_whole(file, content, alone=ours)
                if not ours:  # another user's shell lines must not pass for this user's
                    file.chmod(file.stat().st_mode | stat.S_IWGRP)


def _content(file: Path) -> tuple[bytes | None, bool]:
    """The content of a file, None if there is none, and whether only this user can have written it."""
    try:
        with open_regular(file) as f:
            return f.read(), is_ours_alone(f, file)
    except (OSError, CorruptFile):
        return None, False


def _remove(store: Store, name: str) -> None:
    """Remove a run that was never started. It is renamed first, so that no worker can claim it, and checked again."""
    run = store.run(name)
    with suppress(CorruptFile, OSError):
        if run.status().state != PLANNED or claim_in_force(run) is not None:
            return
        gone = run.set_aside()
        if claim_in_force(gone) is None and gone.status().state == PLANNED:
            shutil.rmtree(gone.path, ignore_errors=True)
        else:
            gone.path.rename(run.path)
