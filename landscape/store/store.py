"""The store at a path: runs, sweeps and cache, by name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landscape.config.errors import UserError
from landscape.store.atomic_io import beside_of, open_regular
from landscape.store.dataset_folder import DatasetFolder
from landscape.store.formats import (
    RUN_ID,
    SWEEP_NAME,
)
from landscape.store.record import parsed
from landscape.store.run_folder import STATUS, RunFolder
from landscape.store.run_status import RunStatus
from landscape.store.sweep_folder import SweepFolder


class Store:
    """The store at `root`. Nothing is created until something is written."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.runs = self.root / "runs"
        self.sweeps = self.root / "sweeps"
        self.cache = self.root / "cache"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, which need not exist. Raises `UserError` for an invalid id."""
        if not RUN_ID.fullmatch(run_id):
            raise UserError(f"{run_id!r} is not a run id; legal: letters, digits, - and _")
        return RunFolder(self.runs / run_id)

    def run_ids(self) -> list[str]:
        """Sorted ids of all runs. Temporary folders are skipped."""
        return sorted(name for name in self._folders() if RUN_ID.fullmatch(name))

    @contextmanager
    def scratch_run(self) -> Iterator[RunFolder]:
        """An empty folder among the runs that is removed after the block; no reader takes it for a run."""
        folder = beside_of(self.runs / "canary")
        folder.mkdir(parents=True)
        try:
            yield RunFolder(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def unknown_folders(self) -> list[str]:
        """A message about folders among the runs whose names are not run ids; empty if there are none."""
        names = sorted(name for name in self._folders() if not RUN_ID.fullmatch(name))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        shown = ", ".join(map(ascii, names[:3]))
        return [f"skipped in {self.runs}, because the names are not run ids: {shown}{more}"] if names else []

    def _folders(self) -> list[str]:
        try:
            return [e.name for e in os.scandir(self.runs) if not e.name.startswith(".") and e.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def status_of(self, run_id: str) -> tuple[RunStatus, float]:
        """A run's status and its modification time (file system clock, seconds). Raises `CorruptFile` or `OSError`.

        Fast path for readers of thousands of runs.
        """
        file = f"{self.runs}/{run_id}/{STATUS}"
        with open_regular(file, (self.root, self.runs)) as f:
            found = os.fstat(f.fileno())
            if 0 < found.st_size <= RunStatus.LIMIT and (data := f.read(found.st_size)).strip(b"\0"):
                return parsed(RunStatus, data, file), found.st_mtime
        return self.run(run_id).status(), found.st_mtime

    def run_folders(self) -> Iterator[RunFolder]:
        """All runs, by id."""
        yield from map(self.run, self.run_ids())

    def sweep(self, name: str) -> SweepFolder:
        """The folder of a sweep, which need not exist. Raises `UserError` for an invalid name."""
        if not SWEEP_NAME.fullmatch(name):
            raise UserError(f"{name!r} is not a sweep name")
        return SweepFolder(self.sweeps / name)

    def sweep_folders(self) -> list[SweepFolder]:
        """All sweeps with a plan, by name."""
        return [SweepFolder(self.sweeps / name) for name in self._sweeps_with("plan.json")]

    def _sweeps_with(self, file: str) -> list[str]:
        names = (found.parent.name for found in self.sweeps.glob(f"*/{file}"))
        return sorted(name for name in names if SWEEP_NAME.fullmatch(name))

    def submit_lock(self) -> Path:
        """Lock held while jobs are submitted, so that concurrent commands do not submit a run twice."""
        return self.sweeps / ".submit.lock"

    def sweep_names(self) -> list[str]:
        """Sorted names of the sweeps with a plan."""
        return self._sweeps_with("plan.json")

    def search_file(self, name: str) -> Path:
        """Path of the searches of a sweep."""
        return self.sweeps / name / "search.json"

    def trials_file(self, name: str) -> Path:
        """Path of the trials of a sweep, one JSON object per line."""
        return self.sweeps / name / "trials.jsonl"

    def searches(self) -> list[str]:
        """Sorted names of the sweeps with trials."""
        return self._sweeps_with("trials.jsonl")

    def search_storage(self, name: str, file: str) -> Path:
        """Path of a file of a sweep's search: database, journal, lock, or a worker's log."""
        return self.sweeps / name / "search" / file

    def search_workers(self, name: str) -> Path:
        """Folder in which each worker of a sweep's searches registers while it works."""
        return self.sweeps / name / "search" / "workers"

    def cached(self, kind: str, key: str, suffix: str) -> Path:
        """Path of a cached item by kind ("classifier", "reference") and content key."""
        return self.cache / kind / f"{key}{suffix}"

    def real_images(self, protocol: str) -> Path:
        """Path of the picture of real images that runs are compared with under a protocol."""
        return self.cached("real", protocol, ".png")

    def weights_file(self, digest: str) -> Path:
        """Path of the published weights with this SHA-256."""
        return self.cached("weights", digest, ".pth")

    def weights(self, begins: str) -> list[Path]:
        """The published weights in the store whose SHA-256 starts with `begins`."""
        return sorted((self.cache / "weights").glob(f"{begins}*.pth"))

    def lock_file(self, kind: str, key: str) -> Path:
        """Path of the lock of a cached item."""
        return self.cache / kind / f".{key}.lock"

    def dataset(self, content: str) -> DatasetFolder:
        """Folder of the decoded data set with this digest."""
        return DatasetFolder(self.cache / "datasets" / content)

    def dataset_being_decoded(self, fingerprint: str) -> DatasetFolder:
        """Folder for decoding a data set before its digest is known. Hold the lock."""
        return DatasetFolder(self.cache / "datasets" / f".{fingerprint}.making")

    def source_file(self, fingerprint: str) -> Path:
        """Path of the index file of a source fingerprint."""
        return self.cached("sources", fingerprint, ".json")

    @property
    def wandb(self) -> Path:
        """Folder of wandb's files. The name is wandb's own."""
        return self.root / "wandb"

    def downloads(self, kind: str) -> Path:
        """Folder of downloads of this kind."""
        return self.cache / "downloads" / kind

    def check_writable(self) -> None:
        """Raise `UserError` if runs cannot be written. Leaves no files in an existing store."""
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.runs) as f:
                f.write(b"x" * 4096)
                f.flush()
        except OSError as e:
            raise UserError(
                f"the store at {self.root} cannot be written ({e.strerror}); give another with store=FOLDER"
            ) from e
