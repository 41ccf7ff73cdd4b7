"""The folder of a decoded data set in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from landscape.store.atomic_io import (
    beside_of,
)


class DatasetFolder:
    """The folder of a decoded data set, named by its digest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header_file = path / "header.json"

    def array_file(self, name: str) -> Path:
        """Path of an array: "images", "labels", "train" or "test"."""
        return self.path / f"{name}.npy"

    def remove(self) -> None:
        """Delete the folder. It is renamed first, so that nobody sees it half deleted."""
        gone = beside_of(self.path.with_name(self.path.name.lstrip(".")))
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)
