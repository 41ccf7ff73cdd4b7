"""Checkpoints: written whole, two generations, each with its own digest, the newest sound one read."""

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
    """Write `content` (tensors and plain values) at `path`, preceded by a line with its digest."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    write_whole(path, MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `save` wrote; raises `CorruptFile` for anything else, `FileNotFoundError` where there is nothing.

    Only tensors and plain values are unpickled: no code from the file is run.
    """
    # The store, and its folder of runs or its cache, which may be a link to another disk.
    within = path.parents[2:4] if path.parent.name == "checkpoint" else path.parents[1:3]
    head, _, payload = read_bounded(path, LARGEST, within).partition(b"\n")
    if head != MAGIC + hashlib.sha256(payload).hexdigest().encode():
        raise CorruptFile(f"{path} is damaged, or no checkpoint")
    try:
        # What torch.save writes is not compressed, so that nothing unpacks to more than was read.
        packed = [one for one in zipfile.ZipFile(io.BytesIO(payload)).infolist() if one.compress_type]
        content = None if packed else torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except Exception as e:  # torch raises many kinds on what is no checkpoint
        raise CorruptFile(f"{path} holds no checkpoint ({type(e).__name__})") from e
    if not isinstance(content, dict):
        raise CorruptFile(f"{path} holds no checkpoint")
    return content


def save_generation(run: RunFolder, content: dict[str, Any]) -> None:
    """The newest checkpoint becomes the previous one; at no moment is there none."""
    run.checkpoints.mkdir(exist_ok=True)
    if run.newest_checkpoint.exists():
        beside = beside_of(run.previous_checkpoint)
        os.link(run.newest_checkpoint, beside)
        os.replace(beside, run.previous_checkpoint)
    save(run.newest_checkpoint, content)


def load_newest(run: RunFolder, device: torch.device | str = "cpu") -> tuple[dict[str, Any] | None, list[str]]:
    """The newest sound checkpoint, or None, and a sentence for each damaged one that was passed over.

    A damaged one is put aside, so that it never takes the place of a sound one when the next is written.
    """
    damaged: list[str] = []
    for path in (run.newest_checkpoint, run.previous_checkpoint):
        try:
            return load(path, device), damaged
        except FileNotFoundError:
            continue
        except Exception as e:  # torch raises many kinds on garbage
            damaged.append(f"{path.name} passed over: {' '.join(str(e).split())[:200]}")
            path.replace(path.with_suffix(".damaged"))
    return None, damaged
