"""The store at a path: its runs, sweeps and cache, each by name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from landscape.config.errors import UserError
from landscape.store.atomic_io import (
    open_regular,
)
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
    """The store at `root`; nothing is created until something is written."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.runs = self.root / "runs"
        self.sweeps = self.root / "sweeps"
        self.cache = self.root / "cache"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, which need not be there; raises `UserError` for what can be no run's id."""
        if not RUN_ID.fullmatch(run_id):
            raise UserError(f"{run_id!r} is no run's id: one has letters, digits, - and _")
        return RunFolder(self.runs / run_id)

    def run_ids(self) -> list[str]:
        """The id of every run in the store, in order; half-made folders (their names begin with a dot) are none."""
        return sorted(name for name in self._folders() if RUN_ID.fullmatch(name))

    def strangers(self) -> list[str]:
        """A sentence on what lies among the runs and is none by its name: it is passed over."""
        names = sorted(name for name in self._folders() if not RUN_ID.fullmatch(name))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        shown = ", ".join(map(ascii, names[:3]))
        return [f"passed over in {self.runs}, being named as no run is: {shown}{more}"] if names else []

    def _folders(self) -> list[str]:
        try:
            return [e.name for e in os.scandir(self.runs) if not e.name.startswith(".") and e.is_dir()]
        except FileNotFoundError:
            return []

    def status_of(self, run_id: str) -> tuple[RunStatus, float]:
        """A run's status and when it was written, in the file system's own seconds; raises `CorruptFile`, `OSError`.

        For those who read thousands: it makes none of the paths of a `RunFolder`.
        """
        file = f"{self.runs}/{run_id}/{STATUS}"
        with open_regular(file, (self.root, self.runs)) as f:
            found = os.fstat(f.fileno())
            if 0 < found.st_size <= RunStatus.LIMIT and (data := f.read(found.st_size)).strip(b"\0"):
                return parsed(RunStatus, data, file), found.st_mtime
        return self.run(run_id).status(), found.st_mtime

    def run_folders(self) -> Iterator[RunFolder]:
        """Every run in the store, by id."""
        yield from map(self.run, self.run_ids())

    def sweep(self, name: str) -> SweepFolder:
        """The folder of a sweep, which need not be there; raises `UserError` for what can be no sweep's name."""
        if not SWEEP_NAME.fullmatch(name):
            raise UserError(f"{name!r} is no name of a sweep")
        return SweepFolder(self.sweeps / name)

    def sweep_folders(self) -> list[SweepFolder]:
        """Every sweep of the store that has a plan, by name."""
        return [SweepFolder(self.sweeps / name) for name in self._sweeps_with("plan.json")]

    def _sweeps_with(self, file: str) -> list[str]:
        names = (found.parent.name for found in self.sweeps.glob(f"*/{file}"))
        return sorted(name for name in names if SWEEP_NAME.fullmatch(name))

    def submit_lock(self) -> Path:
        """Held by whoever submits, so that two commands at once do not submit one run twice."""
        return self.sweeps / ".submit.lock"

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that were planned into this store, sorted."""
        return self._sweeps_with("plan.json")

    def search_file(self, name: str) -> Path:
        return self.sweeps / name / "search.json"

    def trials_file(self, name: str) -> Path:
        """The trials of a search: one JSON object a line, which run, from which stage and sampler, in which order."""
        return self.sweeps / name / "trials.jsonl"

    def searches(self) -> list[str]:
        """Names of the sweeps that have trials, sorted."""
        return self._sweeps_with("trials.jsonl")

    def search_storage(self, name: str, file: str) -> Path:
        """Where a file of a sweep's search lies: a data base, a journal, a lock, a worker's log."""
        return self.sweeps / name / "search" / file

    def search_workers(self, name: str) -> Path:
        """The folder in which each worker of a sweep's searches says which process it is, while it works."""
        return self.sweeps / name / "search" / "workers"

    def cached(self, kind: str, key: str, suffix: str) -> Path:
        """Where the thing of this kind ("classifier", "reference") and content key lies, or will."""
        return self.cache / kind / f"{key}{suffix}"

    def weights_file(self, digest: str) -> Path:
        """Where the published weights whose file has this SHA-256 lie, or will."""
        return self.cached("weights", digest, ".pth")

    def weights(self, begins: str) -> list[Path]:
        """The published weights here whose SHA-256 begins so."""
        return sorted((self.cache / "weights").glob(f"{begins}*.pth"))

    def lock_file(self, kind: str, key: str) -> Path:
        return self.cache / kind / f".{key}.lock"

    def dataset(self, content: str) -> DatasetFolder:
        """Where the decoded data set of this digest lies, or will."""
        return DatasetFolder(self.cache / "datasets" / content)

    def dataset_in_the_making(self, fingerprint: str) -> DatasetFolder:
        """Where a data set is decoded to before its digest is known; one process at a time (hold the lock)."""
        return DatasetFolder(self.cache / "datasets" / f".{fingerprint}.making")

    def source_file(self, fingerprint: str) -> Path:
        return self.cached("sources", fingerprint, ".json")

    @property
    def wandb(self) -> Path:
        """Where wandb keeps what is still to be uploaded: this is the name that it makes itself inside a folder."""
        return self.root / "wandb"

    def downloads(self, kind: str) -> Path:
        return self.cache / "downloads" / kind

    def check_writable(self) -> None:
        """Raise `UserError` where a run could not be written; leaves nothing behind in a store that was there."""
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.runs) as f:
                f.write(b"x" * 4096)
                f.flush()
        except OSError as e:
            raise UserError(
                f"the store at {self.root} cannot be written ({e.strerror}); give another with store=PATH"
            ) from e
