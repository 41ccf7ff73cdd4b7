"""Cache of decoded data sets in the store: written once per content, opened as memory maps.

A data set's folder is named by the digest of pixels, labels and split. A small index file per source fingerprint names
that folder. A run needs only the digest, so its source may be deleted.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import short_hash
from landscape.data.dataset import Dataset, content_digest
from landscape.data.progress import progress
from landscape.data.source import Contents, Source
from landscape.store import DatasetFolder, Store
from landscape.store.atomic_io import read_json, sync_folder, to_json, write_whole
from landscape.store.locks import locked

logger = logging.getLogger(__name__)

VERSION = 1  # of decoding and layout; raise it if the same files would give other bytes
ARRAYS = ("images", "labels", "train", "test")


def find_or_decode(source: Source, store: Store, thorough: bool = False) -> Dataset:
    """The data set of a source from the cache, decoded into it if necessary.

    Concurrent processes wait for the one that decodes. `thorough`: verify every byte and decode damaged data again.
    Raises `UserError` for a bad source or an unwritable store, and leaves no partial data.
    """
    fingerprint = short_hash({"version": VERSION, **source.fingerprint})

    def warn_damaged(what: str) -> None:
        logger.warning(f"{what}; decoding data={source.name} again")

    def waiting() -> None:
        logger.info(f"waiting for another process that decodes data={source.name}")

    try:
        found = None if thorough else _known(store, fingerprint, source.name)
        if found is not None:
            return found
        with locked(store.lock_file("datasets", fingerprint), waiting):
            found = _known(store, fingerprint, source.name, warn_damaged)
            if found is not None and thorough and not is_intact(found):
                warn_damaged(f"{store.dataset(found.content).path} is damaged")
                found = None
            return found or _decode(source, store, fingerprint)
    except OSError as e:
        raise UserError(
            f"data={source.name} cannot be written to the store at {store.root} ({e.strerror or e}); "
            "give another with store=FOLDER"
        ) from e


def open_cached(store: Store, content: str, name: str) -> Dataset:
    """Open the data set with digest `content`; its images are a memory map. Raises `CorruptFile` or
    `FileNotFoundError`.

    File sizes, the header and the small arrays are verified. Pixels were verified when they were decoded.
    """
    folder = store.dataset(content)
    header = read_json(folder.header_file)
    body = {key: value for key, value in header.items() if key != "digest"}
    if header.get("digest") != _digest_of(body) or body["content"] != content:
        raise CorruptFile(f"{folder.header_file} is damaged")
    arrays: dict[str, Any] = dict.fromkeys(ARRAYS)
    for array, facts in body["arrays"].items():
        file = folder.array_file(array)
        size = file.stat().st_size
        if size != facts["bytes"]:
            raise CorruptFile(f"{file} has {size} bytes instead of {facts['bytes']}")
        if array != "images" and hashlib.sha256(file.read_bytes()).hexdigest() != facts["sha256"]:
            raise CorruptFile(f"{file} is damaged")
        arrays[array] = np.load(file, mmap_mode="r" if array == "images" else None, allow_pickle=False)
    data = Dataset(name, **arrays)
    data.__dict__["content"] = content  # avoids reading every pixel
    return data


def is_intact(data: Dataset) -> bool:
    """Whether all bytes of an opened data set match its digest. Reads everything."""
    return dataclasses.replace(data).content == data.content


def _known(
    store: Store, fingerprint: str, name: str, damaged: Callable[[str], None] = lambda what: None
) -> Dataset | None:
    """The cached data set of a fingerprint; None if missing or damaged (`damaged` is called with the reason)."""
    try:
        content = str(read_json(store.source_file(fingerprint))["content"])
    except (FileNotFoundError, CorruptFile, KeyError, TypeError):
        return None
    try:
        return open_cached(store, content, name)
    except FileNotFoundError:
        return None
    except (CorruptFile, ValueError, KeyError) as e:
        damaged(str(e))
        return None


def _decode(source: Source, store: Store, fingerprint: str) -> Dataset:
    """Decode to a temporary folder, verify, rename. The caller holds the lock."""
    contents = source.contents()
    making = store.dataset_being_decoded(fingerprint)
    making.remove()  # left by a killed process
    making.path.mkdir(parents=True)
    try:
        _check_room(making.path, contents)
        with progress(f"decoding data={source.name}", contents.shape[0]) as advance:
            content = _write(making, contents, advance)
        folder = store.dataset(content)
        try:
            making.path.rename(folder.path)
        except OSError as e:
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            folder.remove()  # damaged, or decoded from other files with equal content
            making.path.rename(folder.path)
        sync_folder(folder.path.parent)
        data = open_cached(store, content, source.name)
        if not is_intact(data):
            folder.remove()
            raise UserError(f"the disk of {folder.path.parent} returns other data than were written")
    except BaseException:
        making.remove()
        raise
    index = store.source_file(fingerprint)
    index.parent.mkdir(parents=True, exist_ok=True)
    write_whole(index, to_json({"content": content, "source": source.fingerprint}))
    return data


def _check_room(folder: Path, contents: Contents) -> None:
    needed, free = int(np.prod(contents.shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"the decoded images need {needed / 2**30:.1f} GiB, but the store's disk has {free / 2**30:.1f} GiB left; "
            "give another with store=FOLDER"
        )


def _write(folder: DatasetFolder, contents: Contents, advance: Any) -> str:
    """Write arrays and header into `folder`, streaming the pixels. Returns the digest of the content."""
    arrays: dict[str, dict[str, Any]] = {}
    with open(folder.array_file("images"), "wb") as f:
        facts = {"descr": "|u1", "fortran_order": False, "shape": contents.shape}
        np.lib.format.write_array_header_1_0(f, facts)
        blocks = _written(f, contents, advance)
        content = content_digest(contents.shape, blocks, contents.labels, contents.train, contents.test)
        _to_disk(f)
    arrays["images"] = {"bytes": folder.array_file("images").stat().st_size}
    for name in ARRAYS[1:]:
        array = getattr(contents, name)
        if array is None:
            continue
        file = folder.array_file(name)
        with open(file, "wb") as f:
            np.save(f, array)
            _to_disk(f)
        arrays[name] = {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    body = {"version": VERSION, "content": content, "shape": contents.shape, "classes": contents.classes}
    header = json.loads(to_json({**body, "arrays": arrays}))
    write_whole(folder.header_file, to_json({**header, "digest": _digest_of(header)}))
    return content


def _written(f: BinaryIO, contents: Contents, advance: Any) -> Iterator[np.ndarray]:
    """Write each block to the file, then yield it."""
    count = 0
    for block in contents.blocks(advance):
        assert block.dtype == np.uint8 and block.shape[1:] == contents.shape[1:]
        block = np.ascontiguousarray(block)
        f.write(block.data)
        count += len(block)
        yield block
    assert count == contents.shape[0]


def _to_disk(f: BinaryIO) -> None:
    f.flush()
    os.fsync(f.fileno())


def _digest_of(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
