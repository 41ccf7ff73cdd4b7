"""LSUN bedrooms: three million unlabeled photos, center-cropped or padded to 128 px."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data.folder import LabelsAndSplit, given_path, pictures_source
from landscape.data.image_files import Listing, Read, list_pictures, stamp_of
from landscape.data.source import Source
from landscape.store import Store

TEST = 30_588  # as in the study


def lsun_bedroom_source(data: Data, store: Store) -> Source:
    """The images at `data.path` (folder, zip, or LSUN's lmdb). The last 30,588 in name order are the test set."""
    where = Path(given_path(data)).expanduser()
    listing = list_lmdb(where) if (where / "data.mdb").exists() else list_pictures(given_path(data))
    n = len(listing.entries)

    def arrange() -> LabelsAndSplit:
        if n <= TEST:
            raise UserError(
                f"the study tests on {TEST} bedrooms, but {data.path} has {n} images; data=folder accepts any number"
            )
        train, test = np.split(np.arange(n), [n - TEST])
        return None, (), train, test

    return pictures_source(data, listing, {}, arrange)


def list_lmdb(path: Path) -> Listing:
    """The images of an lmdb in key order. Raises `UserError` if lmdb is not installed or the file is invalid."""
    try:
        import lmdb
    except ImportError as e:
        raise UserError(f"{path} is an lmdb; reading it needs the package lmdb: pip install lmdb") from e

    def environment() -> Any:
        try:
            return lmdb.open(str(path), readonly=True, lock=False, readahead=False, max_readers=1024)
        except lmdb.Error as e:
            raise UserError(f"{path} cannot be read as an lmdb ({e})") from e

    with environment() as env, env.begin() as transaction:
        keys = list(transaction.cursor().iternext(keys=True, values=False))
    if not keys:
        raise UserError(f"data.path={path} has no images")
    facts = (path / "data.mdb").stat()
    stamp = stamp_of({str(path.resolve()): f"{len(keys)} {facts.st_size} {facts.st_mtime_ns}"})

    @contextmanager
    def opened() -> Iterator[Read]:
        with environment() as env:

            def read(key: bytes) -> bytes:
                with env.begin() as transaction:
                    return bytes(transaction.get(key))

            yield read

    return Listing({key.decode(errors="replace"): key for key in keys}, stamp, opened)
