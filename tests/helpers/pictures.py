"""Small sets of image files for tests: random pictures, folders of them, zips, and CIFAR-10 in miniature."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landscape.data import cifar10
from landscape.store import Store
from sweeps.planning.plan import make_plan

SIDE = 8


def array(seed: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Random colours, uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(seed: int, width: int = SIDE, height: int = SIDE, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array(seed, width, height)).save(buffer, kind, lossless=True)
    return buffer.getvalue()


def fill(root: Path, *names: str) -> Path:
    """A folder of random pictures, the i-th of them `array(i)`."""
    for i, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(i))
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def data_of(store: Store, *overrides: str) -> dict[str, Any]:
    """`data` as a plan freezes it."""
    more = [] if any(o.startswith("data.size=") for o in overrides) else [f"data.size={SIDE}"]
    plan = make_plan([*overrides, *more, "metrics=none", "train.batch_size=2", f"store={store.root}"], multirun=False)
    return dict(plan.runs[0].config["data"])


def fake_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch, per_batch: int = 4) -> np.ndarray:
    """torchvision's layout with a few images a file, and their MD5s in the place of the real; returns the pixels."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6 * per_batch, 3 * 32 * 32), dtype=np.uint8)
    digests = {}
    for i, name in enumerate(cifar10.MD5):
        part = slice(i * per_batch, (i + 1) * per_batch)
        content: dict[str, Any] = {"data": pixels[part], "labels": [(i * per_batch + k) % 10 for k in range(per_batch)]}
        if name == "batches.meta":
            content = {"label_names": [f"class{k}" for k in range(10)]}
        written = pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(written)
        digests[name] = hashlib.md5(written).hexdigest()
    monkeypatch.setattr(cifar10, "MD5", digests)
    return pixels.reshape(-1, 3, 32, 32)
