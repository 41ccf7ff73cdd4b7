"""Checkpoints: atomic writes, two generations, verified by digest."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from landscape.config.errors import CorruptFile
from landscape.store import RunFolder
from landscape.store.atomic_io import beside_of, read_bounded, write_whole

MAGIC = b"landscape checkpoint, sha256 "
LARGEST = 64 << 30  # bytes


def save(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values) to `path`, after a line with its digest."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    write_whole(path, MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save` wrote. Raises `CorruptFile`, or `FileNotFoundError`.

    Only tensors and plain values are unpickled; no code from the file is executed.
    """
    # The store, and its folder of runs or its cache, which may be a link to another disk.
    within = path.parents[2:4] if path.parent.name == "checkpoint" else path.parents[1:3]
    head, _, payload = read_bounded(path, LARGEST, within).partition(b"\n")
    if head != MAGIC + hashlib.sha256(payload).hexdigest().encode():
        raise CorruptFile(f"{path} is damaged or not a checkpoint")
    try:
        # torch.save does not compress, so uncompressed archives cannot expand beyond what was read.
        packed = [one for one in zipfile.ZipFile(io.BytesIO(payload)).infolist() if one.compress_type]
        content = None if packed else torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except Exception as e:  # torch raises many types for invalid files
        raise CorruptFile(f"{path} is not a checkpoint ({type(e).__name__})") from e
    if not isinstance(content, dict):
        raise CorruptFile(f"{path} is not a checkpoint")
    return content


def save_generation(run: RunFolder, content: dict[str, Any]) -> None:
    """Write a checkpoint and keep the one before it. At least one exists at any time."""
    run.checkpoints.mkdir(exist_ok=True)
    if run.newest_checkpoint.exists():
        beside = beside_of(run.previous_checkpoint)
        os.link(run.newest_checkpoint, beside)
        os.replace(beside, run.previous_checkpoint)
    save(run.newest_checkpoint, content)


def load_newest(run: RunFolder, device: torch.device | str = "cpu") -> tuple[dict[str, Any] | None, list[str]]:
    """The newest intact checkpoint, or None, and a message for each damaged one.

    Damaged checkpoints are renamed, so that they never replace an intact one.
    """
    damaged: list[str] = []
    for path in (run.newest_checkpoint, run.previous_checkpoint):
        try:
            return load(path, device), damaged
        except FileNotFoundError:
            continue
        except Exception as e:  # torch raises many types for invalid files
            damaged.append(f"{path.name} skipped: {' '.join(str(e).split())[:200]}")
            path.replace(path.with_suffix(".damaged"))
    return None, damaged
