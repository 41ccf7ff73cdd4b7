"""CIFAR-10 from the files of its Python version: 50,000 training and 10,000 test images, ten classes."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data.source import Advance, Contents, Source
from landscape.store import Store

FOLDER = "cifar-10-batches-py"
SIDE = 32
# The MD5 sums that torchvision checks. They identify the data, so cached data need no files.
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
# The globals that a pickled array needs.
ALLOWED = {
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class FilesMissing(UserError):
    """The files are not in `root`."""

    def __init__(self, root: Path, data: Data, store: Store) -> None:
        given = [] if data.path is None else [_override("data.path", data.path)]
        command = ["python", "-m", "landscape.prefetch", "data=cifar10", *given, _override("store", str(store.root))]
        super().__init__(f"CIFAR-10 is not in {root}; to download it: {shlex.join(command)}")
        self.root = root


def _override(key: str, value: str) -> str:
    """KEY=VALUE, quoted for Hydra if necessary."""
    if re.fullmatch(r"[\w./~-]+", value):
        return f"{key}={value}"
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{quoted}'"


def cifar10_source(data: Data, store: Store) -> Source:
    """The files in `data.path` (default: the store's downloads), with their own split."""
    root = Path(data.path).expanduser() if data.path is not None else store.downloads("cifar10")

    def contents() -> Contents:
        if data.size != SIDE:
            raise UserError(f"data.size={data.size} is not legal for CIFAR-10; legal: {SIDE}")
        folder = root if root.name == FOLDER else root / FOLDER
        if not folder.is_dir():
            raise FilesMissing(root, data, store)
        files = {name: _checked(folder / name, md5) for name, md5 in MD5.items()}
        classes = tuple(_unpickle(files.pop("batches.meta"))["label_names"])
        batches = [_unpickle(content) for content in files.values()]  # test images last
        counts = [len(batch["labels"]) for batch in batches]
        labels = np.concatenate([np.asarray(batch["labels"], dtype=np.int64) for batch in batches])
        train, test = np.split(np.arange(len(labels)), [len(labels) - counts[-1]])

        def blocks(advance: Advance) -> Iterator[np.ndarray]:
            for batch, count in zip(batches, counts, strict=True):
                yield np.asarray(batch["data"], dtype=np.uint8).reshape(count, 3, SIDE, SIDE)
                advance(count)

        return Contents((len(labels), 3, SIDE, SIDE), labels, train, test, classes, blocks)

    return Source("cifar10", {"kind": "cifar10", "size": data.size, "md5": MD5}, contents)


def download(root: Path) -> None:
    """Download the files to `root` with torchvision. Raises `UserError` on failure."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError as e:
        raise UserError("downloading CIFAR-10 needs the package torchvision: pip install torchvision") from e
    try:
        root.mkdir(parents=True, exist_ok=True)
        CIFAR10(str(root), download=True)
    except (OSError, RuntimeError) as e:
        reason = " ".join(str(e).split())
        raise UserError(f"CIFAR-10 cannot be downloaded ({reason}); put its folder {FOLDER} into {root}") from e


def _checked(file: Path, md5: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as e:
        raise UserError(f"{file} cannot be read ({e.strerror})") from e
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UserError(f"{file} is not a CIFAR-10 file (its MD5 differs); remove it and download it again")
    return content


class _Arrays(pickle.Unpickler):
    """Unpickler of arrays and plain values. Other globals are rejected, because a pickle can call any function."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")  # old name of the module
        if (module, name) not in ALLOWED:
            raise UserError(f"a CIFAR-10 file refers to {module}.{name}, which is not allowed in data; it was not read")
        return super().find_class(module, name)


def _unpickle(content: bytes) -> dict[str, Any]:
    return dict(_Arrays(io.BytesIO(content), encoding="latin1").load())
