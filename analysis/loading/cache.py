"""Runs once read, kept in the store's cache: a later report reads only what has changed since.

A line of the file is one run: what its files looked like (time, size, inode) and what was read of them. A run whose
files look otherwise is read again and gets a further line; of several the last counts. A line that does not read costs
itself alone, a file by other code all of it. Runs with a problem are never kept, so that every report names them.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.loading import read_run
from analysis.loading.read_run import Record, read_record
from landscape.config import axes, identity, versions
from landscape.scores import COLUMNS
from landscape.store import RunFolder, RunStatus, Store, early_stopping, old_names, protocols, run_meta, run_status
from landscape.store.atomic_io import write_whole
from landscape.store.protocols import EvalProtocol
from landscape.store.run_meta import RunMeta

CHUNK = 100  # runs read by a process at a time


def read_records(store: Store, problems: list[str], pool: Executor | None = None) -> list[Record]:
    """Every run of `store` that can be read, by id; as `read_record`, but from the cache where its files are as then.

    With a `pool` the others are read by its processes. A cache that cannot be written is done without.
    """
    with no_collector():
        return _read_records(store, problems, pool)


@contextmanager
def no_collector() -> Iterator[None]:
    """Without the collector of cycles, which would walk hundreds of thousands of rows again and again for none."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _read_records(store: Store, problems: list[str], pool: Executor | None) -> list[Record]:
    file = store.cached("report", "records", ".jsonl")
    known, lines = _known(file)
    found: dict[str, Record | None] = {}
    missing = []
    for run in store.run_folders():
        old = known.get(run.id)
        if old is not None and _looks(run, list(old["protocols"])) == old["looks"]:
            found[run.id] = _record(old, file)
        else:
            found[run.id] = None
            missing.append(str(run.path))
    chunks = [missing[i : i + CHUNK] for i in range(0, len(missing), CHUNK)]
    fresh = []
    for read in pool.map(_read, chunks) if pool and len(chunks) > 1 else map(_read, chunks):
        for record, sentences in read:
            problems += sentences
            if record is not None:
                found[record.id] = record
                if not sentences:
                    fresh.append(_line(_entry(record)))
    if found:
        _keep(file, fresh, not 0 < lines <= 2 * len(found), known, found)
    return [record for record in found.values() if record is not None]


def _read(folders: list[str]) -> list[tuple[Record | None, list[str]]]:
    """Of each folder what was read, with what its files looked like before, and sentences on what was not."""
    every = []
    for folder in folders:
        run, problems = RunFolder(Path(folder)), list[str]()
        looks = _looks(run, [])
        record = read_record(run, problems)
        if record is not None:
            record.looks = looks + _looks(run, list(record.protocols))[len(looks) :]
        every.append((record, problems))
    return every


def _looks(run: RunFolder, protocols: list[str]) -> list[list[int] | None]:
    """Time, size and inode of each file that a record is read from; None for one that is missing."""
    return [_look(file) for file in run.read_by_reports(protocols)]


def _look(file: str) -> list[int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


@cache
def _code() -> str:
    """The digest of the code that reads a run: what other code kept is not used."""
    files = (
        __file__,
        read_run.__file__,
        axes.__file__,
        identity.__file__,
        early_stopping.__file__,
        old_names.__file__,
        protocols.__file__,
        run_meta.__file__,
        run_status.__file__,
        versions.__file__,
    )
    columns = " ".join(COLUMNS).encode()  # of scores, which may have got one
    return sha256(b"".join([columns, *(Path(str(file)).read_bytes() for file in files)])).hexdigest()


def _known(file: Path) -> tuple[dict[str, Any], int]:
    """The fields of the record that is kept of each run, and the number of lines; 0 for a file of no use."""
    known, fields, number = {}, set(Record.__dataclass_fields__), 0
    try:
        with open(file, "rb") as lines:
            if json.loads(next(lines)) != _code():
                return {}, 0
            for number, line in enumerate(lines, 1):  # noqa: B007 - the number is what is returned
                try:
                    record = json.loads(line)
                    if set(record) == fields:
                        known[record["id"]] = record
                except (ValueError, TypeError):
                    continue
    except (OSError, ValueError, StopIteration):
        return {}, 0
    return known, number


def _entry(record: Record) -> Mapping[str, Any]:
    """A record as JSON has it."""
    texts = {name: text.to_json() for name, text in record.protocols.items()}
    parts = {"status": record.status.to_json(), "meta": record.meta.to_json(), "protocols": texts}
    return {**vars(record), **parts}


def _record(entry: Mapping[str, Any], file: Path) -> Record:
    """What `_entry` was made of."""
    texts = {name: EvalProtocol.from_json(text, file) for name, text in entry["protocols"].items()}
    status, meta = RunStatus.from_json(entry["status"], file), RunMeta.from_json(entry["meta"], file)
    return Record(**{**entry, "status": status, "meta": meta, "protocols": texts})


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _keep(file: Path, fresh: list[bytes], anew: bool, known: dict[str, Any], found: dict[str, Any]) -> None:
    """Add the lines `fresh`; with `anew` write the file whole, without runs that are gone."""
    try:
        if anew:
            file.parent.mkdir(parents=True, exist_ok=True)
            old = [_line(entry) for run, entry in known.items() if run in found]
            write_whole(file, b"".join([_line(_code()), *old, *fresh]), durable=False)
        elif fresh:
            with open(file, "ab") as lines:
                lines.write(b"\n" + b"".join(fresh))  # whatever a torn last line holds ends here
    except OSError:
        return
