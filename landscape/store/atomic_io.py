"""Atomic writes, and safe reads of files that others may have written.

Writes go to a temporary file, then fsync and rename. Reads accept only regular files of bounded size inside the store
(links out of it are refused), with bounded nesting, finite numbers and no YAML aliases. Everything else raises
`CorruptFile` instead of hanging, exhausting memory or raising a parser's exception.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import stat
import uuid
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import yaml

from landscape.config.errors import CorruptFile
from landscape.store.processes import myself, tag

SMALL = 16 << 20  # default limit of a JSON or YAML file, in bytes
MAX_DEPTH = 40  # deepest nesting of mappings and lists
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
MAX_INT = 2**64  # largest integer


def beside_of(path: Path) -> Path:
    """A temporary path next to `path`. Its name identifies the writer, so leftovers of dead processes can be
    removed."""
    return path.with_name(f".{path.name}.{tag(myself())}.{uuid.uuid4().hex[:8]}.tmp")


def write_whole(path: Path, data: bytes | str, durable: bool = True, alone: bool = False) -> None:
    """Write `data` to `path` atomically. `durable`: fsync before returning; heartbeats do without.

    `alone`: no other user may write to the file, whatever the umask; check it with `is_ours_alone`.
    """
    beside = beside_of(path)
    try:
        with open(beside, "wb") as f:
            if alone:
                os.fchmod(f.fileno(), stat.S_IMODE(os.fstat(f.fileno()).st_mode) & ~OTHERS_WRITE)
            f.write(data.encode() if isinstance(data, str) else data)
            if durable:
                f.flush()
                os.fsync(f.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that renames in it survive a power failure."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create_exclusively(path: Path, data: str) -> bool:
    """Create `path` with all of `data`. Returns False if it exists. Atomic on NFS too (hard link)."""
    beside = beside_of(path)
    try:
        beside.write_text(data)
        os.link(beside, path)
        return True
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link to a regular file that is only ever replaced, or a copy where the file system has no links."""
    open_regular(source).close()
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        shutil.copyfile(source, target)


def to_json(value: Any) -> str:
    """Indented JSON with keys in order. Raises `ValueError` for NaN and infinities."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def open_regular(path: Path | str, within: Sequence[Path | str] = ()) -> BinaryIO:
    """Open a regular file for reading, without blocking. Links may only lead into one of the folders `within`.

    An empty `within` allows any location. Raises `FileNotFoundError`, or `CorruptFile` for FIFOs, devices, folders,
    links that lead elsewhere, and unreadable files.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    name = os.fspath(path)
    try:
        try:
            fd = os.open(name, flags | (os.O_NOFOLLOW if within else 0))
        except OSError as e:
            if not (within and e.errno == errno.ELOOP):
                raise
            real = os.path.realpath(name, strict=True)  # checked before opening, because it may be a device
            if not _lies_in(real, within):
                raise CorruptFile(f"{name} is a link out of the store") from None
            fd = os.open(real, flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except NotADirectoryError as e:  # counts as missing
        raise FileNotFoundError(*e.args) from e
    except (OSError, ValueError) as e:  # ValueError: an invalid file name
        raise CorruptFile(f"{name} cannot be read ({getattr(e, 'strerror', None) or e})") from e
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise CorruptFile(f"{name} is not a regular file")
        if within and not _lies_in(_real(fd, name), within):
            raise CorruptFile(f"{name} is in a folder that is a link out of the store")
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_bounded(path: Path | str, limit: int, within: Sequence[Path | str] = ()) -> bytes:
    """Content of a regular file of at most `limit` bytes. All files of a store are read through it.

    `within` as in `open_regular`: the store's folders. Raises `FileNotFoundError`, or `CorruptFile` with the fault.
    """
    with open_regular(path, within) as f:
        return read_opened(f, path, limit)


def read_opened(f: BinaryIO, path: Path | str, limit: int) -> bytes:
    """Content of an opened file of at most `limit` bytes. Raises `CorruptFile`, which names `path`."""
    size = os.fstat(f.fileno()).st_size
    if size > limit:
        raise CorruptFile(f"{path} is larger than the limit of {limit:,} bytes")
    try:
        return f.read(size)  # ignore what is appended meanwhile
    except OSError as e:
        raise CorruptFile(f"{path} cannot be read ({e.strerror})") from e


def is_ours_alone(f: BinaryIO, path: Path | str) -> bool:
    """Whether an opened file belongs to this user, nobody else may write to it, and `path` is not a link to it."""
    found, named = os.fstat(f.fileno()), os.lstat(path)
    same = (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)
    return same and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_WRITE


def _real(fd: int, name: str) -> str:
    """Real path of an opened file; from the kernel if possible."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return os.path.realpath(name)


@lru_cache(256)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)


def _lies_in(real: str, within: Sequence[Path | str]) -> bool:
    folders = [os.fspath(folder) for folder in within]
    if any(real.startswith(_resolved(folder) + os.sep) for folder in folders):
        return True
    return any(real.startswith(os.path.realpath(folder) + os.sep) for folder in folders)  # moved since it was cached


_SUSPECT = re.compile(rb"(?<![.\d])\d{19}|\d[eE]\+?\d{3}")  # numbers that may overflow
_NESTS = re.compile(rb"&|[-?][ \t]+[-?][ \t]")  # YAML anchors, and compact nesting


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN and Infinity are not JSON


def parse_json(data: bytes) -> Any:
    """Parse JSON text (UTF-8). Raises `ValueError` for invalid text, NaN, infinities, huge integers and deep
    nesting."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH or _SUSPECT.search(data):
        check_plain(value)
    return value


def check_plain(value: Any) -> None:
    """Raise `ValueError` if a parsed value is nested too deep or has a number that is not finite or too large."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deep")
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, float) and not math.isfinite(one):
                raise ValueError(f"{one} is not a number")
            elif isinstance(one, int) and abs(one) > MAX_INT:
                raise ValueError("an integer in it is too large")
        level = below


def read_json(path: Path, limit: int = SMALL, within: Sequence[Path | str] = ()) -> Any:
    """The JSON value at `path`, read by `read_bounded`. Raises `CorruptFile` or `FileNotFoundError`."""
    try:
        return parse_json(read_bounded(path, limit, within))
    except ValueError as e:
        raise CorruptFile(f"{path} is not valid JSON ({e})") from e


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes repeated values without aliases, because readers refuse aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(value: Any) -> str:
    """Block-style YAML with keys in order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def read_yaml(
    path: Path, limit: int = SMALL, within: Sequence[Path | str] = (), aliases: bool = False
) -> dict[str, Any]:
    """The YAML mapping at `path`, read by `read_bounded`. Raises `CorruptFile` or `FileNotFoundError`.

    Aliases are refused because they can expand without bound; `aliases` allows them, for this program's own files.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = read_bounded(path, limit, within)
    try:
        if not aliases and (_NESTS.search(data) or data.count(b"[") + data.count(b"{") > MAX_DEPTH):
            _check_events(data.decode(), loader)
        value = yaml.load(data.decode(), Loader=loader)
        if not aliases:
            check_plain(value)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as e:
        raise CorruptFile(f"{path} is not valid YAML ({' '.join(str(e).split())[:120]})") from e
    if not isinstance(value, dict):
        raise CorruptFile(f"{path} is not a mapping")
    return value


def _check_events(text: str, loader: Any) -> None:
    """Raise `ValueError` for aliases and deep nesting, before objects are built."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it has an alias, *{event.anchor}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deep")
