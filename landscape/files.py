"""Files that appear whole or not at all: write beside, fsync, rename."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import yaml

from landscape.processes import myself, tag


class CorruptFile(Exception):
    """A file of the store that does not read as what it should be; its text names the file and what is wrong."""


def beside_of(path: Path) -> Path:
    """A temporary name beside `path` that says who writes there, so that it can be told when that process is dead."""
    return path.with_name(f".{path.name}.{tag(myself())}.{uuid.uuid4().hex[:8]}.tmp")


def write_whole(path: Path, data: bytes | str, durable: bool = True) -> None:
    """Put `data` at `path` in one rename; with `durable` it is on the disk before this returns.

    Heartbeats go without: losing one in a power cut costs nothing.
    """
    beside = beside_of(path)
    try:
        with open(beside, "wb") as f:
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


def _text(path: Path) -> str:
    """The text of a file; raises `FileNotFoundError`, and `CorruptFile` for what else keeps it from being read."""
    try:
        return path.read_text()
    except FileNotFoundError:
        raise
    except OSError as e:
        raise CorruptFile(f"{path} cannot be read ({e.strerror})") from e


def read_json(path: Path) -> Any:
    """The JSON at `path`; raises `CorruptFile`, or `FileNotFoundError`."""
    try:
        return json.loads(_text(path))
    except ValueError as e:
        raise CorruptFile(f"{path} is not valid JSON ({e})") from e


def to_yaml(value: Any) -> str:
    """Block-style YAML, keys as given."""
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def read_yaml(path: Path) -> Any:
    """The YAML mapping at `path`; raises `CorruptFile`, or `FileNotFoundError`."""
    try:
        value = yaml.load(_text(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise CorruptFile(f"{path} is not valid YAML ({' '.join(str(e).split())[:120]})") from e
    if not isinstance(value, dict):
        raise CorruptFile(f"{path} holds no mapping")
    return value
