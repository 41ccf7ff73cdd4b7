"""Images in a folder or zip, by name. Zips are read in place.

Names have slashes, are in natural order (9 before 10), and omit the folders that all share, so that a wrapped folder
equals the inner one. Hidden files and macOS's "__MACOSX" entries are skipped.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from landscape.config.errors import UserError
from landscape.data.image_decoding import EXTENSIONS

LARGEST = 2**26  # most bytes of an image file, to bound memory

Read = Callable[[Any], bytes]


@dataclass(frozen=True)
class Listing:
    """Images by name. `opened()` is a context manager that yields a thread-safe function to read an entry."""

    entries: dict[str, Any]
    stamp: str  # changes with names, sizes, and the time and location (folder) or checksum (zip)
    opened: Callable[[], AbstractContextManager[Read]]


def list_pictures(path: str, key: str = "data.path") -> Listing:
    """The images at `path`. Raises `UserError` if it is missing, has no images, or is not a valid zip."""
    where = Path(path).expanduser()
    if where.is_dir():
        listing = _list_folder(where)
    elif where.is_file():
        listing = _list_zip(where, key)
    elif where.exists():
        raise UserError(f"{key}={path} is neither a folder nor a zip file")
    else:
        raise UserError(f"{key}={path} does not exist; give a folder or a zip of images")
    if not listing.entries:
        raise UserError(f"{key}={path} has no images; legal: {' '.join(EXTENSIONS)}")
    return _below_common(listing)


def join_listings(train: Listing, test: Listing) -> Listing:
    """Both listings as one, under train/ and test/."""
    entries = {f"train/{name}": (0, entry) for name, entry in train.entries.items()}
    entries |= {f"test/{name}": (1, entry) for name, entry in test.entries.items()}

    @contextmanager
    def opened() -> Iterator[Read]:
        with ExitStack() as stack:
            reads = [stack.enter_context(part.opened()) for part in (train, test)]
            yield lambda entry: reads[entry[0]](entry[1])

    return Listing(entries, f"{train.stamp} {test.stamp}", opened)


def stamp_of(facts: dict[str, Any]) -> str:
    """A digest of names and facts that are known without reading the files."""
    digest = hashlib.sha256()
    for name, fact in facts.items():
        digest.update(f"{name}\0{fact}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def natural_key(name: str) -> tuple[list[Any], str]:
    """Sort key that compares digit sequences as numbers."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    parts[1::2] = [(len(digits), digits) for digits in (part.lstrip("0") for part in parts[1::2])]
    return parts, name


def _check_size(size: int, what: str) -> None:
    if size > LARGEST:
        raise UserError(f"{what} has {size:,} bytes; legal for an image: up to {LARGEST:,}")


def _read_file(path: Path) -> bytes:
    """Read a regular file of bounded size, whatever has replaced it since listing. Does not block on a FIFO."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as f:
        facts = os.fstat(f.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            raise OSError(f"not a regular file of up to {LARGEST >> 20} MiB")
        return f.read(LARGEST)


def _is_picture(name: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return not hidden and name.lower().endswith(EXTENSIONS)


def _list_folder(root: Path) -> Listing:
    found: dict[str, tuple[Path, str]] = {}
    seen = set()  # folders by device and inode, to stop at link cycles

    def failed(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read ({error.strerror})") from error

    for folder, below, names in os.walk(root, onerror=failed, followlinks=True):
        known = os.stat(folder)
        if (known.st_dev, known.st_ino) in seen:
            below.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        prefix = Path(folder).relative_to(root).as_posix()
        for name in names:
            full = name if prefix == "." else f"{prefix}/{name}"
            if _is_picture(full):
                file = Path(folder, name)
                try:
                    facts = file.stat()
                except OSError as e:
                    raise UserError(f"{file} cannot be read ({e.strerror})") from e
                if not stat.S_ISREG(facts.st_mode):
                    raise UserError(f"{file} is not a regular file; images must be regular files")
                _check_size(facts.st_size, str(file))
                found[full] = (file, f"{facts.st_size} {facts.st_mtime_ns}")
    names = sorted(found, key=natural_key)
    # The location is included, because two folders may agree in all names, sizes and times.
    stamp = stamp_of({str(root.resolve()): "", **{name: found[name][1] for name in names}})
    return Listing({name: found[name][0] for name in names}, stamp, lambda: nullcontext(_read_file))


def _list_zip(path: Path, key: str) -> Listing:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as e:
        with open(path, "rb") as f:
            meant = path.suffix.lower() == ".zip" or f.read(4) == b"PK\3\4"
        if not meant:
            raise UserError(f"{key}={path} is neither a folder nor a zip file") from e
        raise UserError(f"{key}={path} is not a complete zip file ({e}); it may be truncated") from e
    except (OSError, ValueError, NotImplementedError) as e:
        raise UserError(f"{key}={path} cannot be read ({e})") from e
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = _checked_name(member, path)
        if not member.is_dir() and _is_picture(name):
            _check_size(member.file_size, f"{path}: {name}")
            found[name] = member
    names = sorted(found, key=natural_key)
    stamp = stamp_of({name: f"{found[name].file_size} {found[name].CRC}" for name in names})

    @contextmanager
    def opened() -> Iterator[Read]:
        with zipfile.ZipFile(path) as archive:
            yield archive.read

    return Listing({name: found[name] for name in names}, stamp, opened)


def _checked_name(member: zipfile.ZipInfo, path: Path) -> str:
    """The member's name with slashes. Raises `UserError` for unsafe names, links and encryption.

    Nothing is extracted, but a zip with such an entry is not what its owner believes it to be.
    """
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or PureWindowsPath(name).drive:
        raise UserError(f"{path} has an entry with an unsafe path ({member.filename}); it was not read")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{path} has a symbolic link ({member.filename}); it was not read")
    if member.flag_bits & 1:
        raise UserError(f"{path} is encrypted ({member.filename}); it was not read")
    return name


def _below_common(listing: Listing) -> Listing:
    """Remove the folders that all names share."""
    folders = [posixpath.dirname(name) for name in listing.entries]
    common = posixpath.commonpath([min(folders), max(folders)])
    cut = len(common) + 1 if common else 0
    return replace(listing, entries={name[cut:]: entry for name, entry in listing.entries.items()})
