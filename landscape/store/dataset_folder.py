"""A decoded data set's folder in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from landscape.store.atomic_io import (
    beside_of,
)


class DatasetFolder:
    """A decoded data set's folder; its name is the digest of what it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header_file = path / "header.json"

    def array_file(self, name: str) -> Path:
        """Where one of "images", "labels", "train" and "test" lies."""
        return self.path / f"{name}.npy"

    def remove(self) -> None:
        """Take the folder away, first from under its name, so that nobody meets half of it."""
        gone = beside_of(self.path.with_name(self.path.name.lstrip(".")))
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)
