"""Files that appear whole or not at all, and the one reader of files that others may have written.

Writing: beside, fsync, rename. Reading: regular files only, of a bounded size, that lie where they seem to lie (no link
leads out of the store), with bounded nesting, finite numbers and no aliases. What does not read so is a `CorruptFile`,
never a hang, a full memory or an exception of a parser.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import uuid
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import yaml

from landscape.config.errors import CorruptFile
from landscape.store.processes import myself, tag

SMALL = 16 << 20  # bytes of a JSON or YAML file at most, where its kind says nothing else
DEEPEST = 40  # mappings and lists inside each other, of a file's content
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
GREATEST = 2**64  # of whole numbers


def beside_of(path: Path) -> Path:
    """A temporary name beside `path` that says who writes there, so that it can be told when that process is dead."""
    return path.with_name(f".{path.name}.{tag(myself())}.{uuid.uuid4().hex[:8]}.tmp")


def write_whole(path: Path, data: bytes | str, durable: bool = True, alone: bool = False) -> None:
    """Put `data` at `path` in one rename; with `durable` it is on the disk before this returns.

    Heartbeats go without: losing one in a power cut costs nothing. With `alone` no other user may write to the file,
    whatever the umask; `is_ours_alone` then says who wrote it.
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
    """Make renames inside `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create_exclusively(path: Path, data: str) -> bool:
    """Create `path` with all of `data`, or return False because it is there already (link is atomic on NFS too)."""
    beside = beside_of(path)
    try:
        beside.write_text(data)
        os.link(beside, path)
        return True
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)


def to_json(value: Any) -> str:
    """JSON for people: indented, keys as given; NaN is refused, because readers disagree about it."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def open_regular(path: Path | str, within: Sequence[Path | str] = ()) -> BinaryIO:
    """Open a regular file for reading; never waits, and follows a link only to what lies in one of `within`.

    `within` are folders; a file is taken to lie in one where its real path does, links in the path resolved. None: the
    file may lie anywhere. Raises `FileNotFoundError`, and `CorruptFile` for a FIFO, a device, a folder, a link that
    leads elsewhere, and for what cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    name = os.fspath(path)
    try:
        try:
            fd = os.open(name, flags | (os.O_NOFOLLOW if within else 0))
        except OSError as e:
            if not (within and e.errno == errno.ELOOP):
                raise
            real = os.path.realpath(name, strict=True)  # looked at before it is opened: it may be a device
            if not _lies_in(real, within):
                raise CorruptFile(f"{name} is a link that leads out of the store") from None
            fd = os.open(real, flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except NotADirectoryError as e:  # no less missing
        raise FileNotFoundError(*e.args) from e
    except (OSError, ValueError) as e:  # ValueError: a name that no file can have
        raise CorruptFile(f"{name} cannot be read ({getattr(e, 'strerror', None) or e})") from e
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise CorruptFile(f"{name} is no regular file")
        if within and not _lies_in(_real(fd, name), within):
            raise CorruptFile(f"{name} lies in a folder that is a link out of the store")
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_bounded(path: Path | str, limit: int, within: Sequence[Path | str] = ()) -> bytes:
    """All of a regular file of at most `limit` bytes; the one way in which files of a store are read.

    `within` as in `open_regular`: give the store's folders. Raises `FileNotFoundError`, and `CorruptFile`, whose text
    names the file and what is wrong, for anything else.
    """
    with open_regular(path, within) as f:
        return read_opened(f, path, limit)


def read_opened(f: BinaryIO, path: Path | str, limit: int) -> bytes:
    """All of an opened file of at most `limit` bytes; raises `CorruptFile`, which names `path`."""
    size = os.fstat(f.fileno()).st_size
    if size > limit:
        raise CorruptFile(f"{path} is larger than the {limit:,} bytes that such a file may have")
    try:
        return f.read(size)  # what is appended meanwhile is for the next look
    except OSError as e:
        raise CorruptFile(f"{path} cannot be read ({e.strerror})") from e


def is_ours_alone(f: BinaryIO, path: Path | str) -> bool:
    """Whether an opened file is this user's, nobody else may write to it, and `path` is the file and no link to it."""
    found, named = os.fstat(f.fileno()), os.lstat(path)
    same = (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)
    return same and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_WRITE


def _real(fd: int, name: str) -> str:
    """Where an opened file lies, its folders' links resolved; asked of the kernel where it says."""
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
    return any(real.startswith(os.path.realpath(folder) + os.sep) for folder in folders)  # moved since it was kept


_SUSPECT = re.compile(rb"(?<![.\d])\d{19}|\d[eE]\+?\d{3}")  # numbers that may be too large for what takes them
_NESTS = re.compile(rb"&|[-?][ \t]+[-?][ \t]")  # YAML's anchors, and nesting that takes no room


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN and Infinity are no JSON


def parse_json(data: bytes) -> Any:
    """The value of JSON text: UTF-8, finite numbers, nesting that any reader of it can follow; raises `ValueError`."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if data.count(b"[") + data.count(b"{") > DEEPEST or _SUSPECT.search(data):
        check_plain(value)
    return value


def check_plain(value: Any) -> None:
    """Raise `ValueError` where a parsed value is nested too deep or holds a number that is not finite, or huge."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("it is nested too deep")
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, float) and not math.isfinite(one):
                raise ValueError(f"{one} is no number")
            elif isinstance(one, int) and abs(one) > GREATEST:
                raise ValueError("a whole number in it is too large")
        level = below


def read_json(path: Path, limit: int = SMALL, within: Sequence[Path | str] = ()) -> Any:
    """The JSON at `path`, read as `read_bounded` does; raises `CorruptFile`, or `FileNotFoundError`."""
    try:
        return parse_json(read_bounded(path, limit, within))
    except ValueError as e:
        raise CorruptFile(f"{path} is not valid JSON ({e})") from e


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes what is there twice twice: a reader of a store takes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(value: Any) -> str:
    """Block-style YAML, keys as given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def read_yaml(
    path: Path, limit: int = SMALL, within: Sequence[Path | str] = (), aliases: bool = False
) -> dict[str, Any]:
    """The YAML mapping at `path`, read as `read_bounded` does; raises `CorruptFile`, or `FileNotFoundError`.

    An alias may stand for more than memory holds, so they are refused; `aliases` allows them in files of this program's
    own.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = read_bounded(path, limit, within)
    try:
        if not aliases and (_NESTS.search(data) or data.count(b"[") + data.count(b"{") > DEEPEST):
            _check_events(data.decode(), loader)
        value = yaml.load(data.decode(), Loader=loader)
        if not aliases:
            check_plain(value)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as e:
        raise CorruptFile(f"{path} is not valid YAML ({' '.join(str(e).split())[:120]})") from e
    if not isinstance(value, dict):
        raise CorruptFile(f"{path} holds no mapping")
    return value


def _check_events(text: str, loader: Any) -> None:
    """Raise `ValueError` for aliases and deep nesting, before anything is made of the text."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it has an alias, *{event.anchor}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("it is nested too deep")
