"""The `inception` extractor: torch-fidelity's port of TensorFlow's Inception v3, with its resizing and weights.

The Frechet distance of its features is the FID of the literature. The layers are called from here, because
torch-fidelity's own `forward` accepts only uint8 images.
"""

from __future__ import annotations

import io
import pickle
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from landscape.config.errors import UserError
from landscape.store import Store
from landscape.store.weights import INCEPTION, PUBLISHED, keep

SIDE = 299
RESIZE = f"{SIDE} px, bilinear as TensorFlow 1 does it (torch-fidelity's)"


class Inception(nn.Module):
    """Images (n, 1 or 3, side, side) in [0, 255] to (pool3 features (n, 2048), logits without bias (n, 1008))."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Raises `RuntimeError` if the weights belong to another network."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # keep the initialization from changing the global random state
            net = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], _as_file(weights))
        self.body = nn.Sequential(*(part for name, part in net.named_children() if name != "fc"), nn.Flatten())
        self.classes = net.fc.weight
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits. Images are resized to 299 px and scaled to [-1, 1)."""
        x = x.float().expand(-1, 3, -1, -1)  # gray is repeated to three channels
        x = interpolate_bilinear_2d_like_tensorflow1x(x, (SIDE, SIDE), align_corners=False)
        features = self.body((x - 128) / 128)
        return features, features @ self.classes.T


def inception_from(content: bytes) -> Inception:
    """The network with the weights in `content`. Loads tensors only. Raises `UserError` if they do not fit."""
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return Inception(weights)
    except (RuntimeError, ValueError, EOFError, TypeError, AttributeError, pickle.UnpicklingError) as e:
        reason = " ".join(str(e).split())[:160]
        raise UserError(f"metrics.weights is not a file of torch-fidelity's Inception weights ({reason})") from e


def download(store: Store) -> None:
    """Download the published weights into the store. Raises `UserError` on failure."""
    digest = PUBLISHED["inception"].digest
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / INCEPTION
        try:
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(file), digest, progress=sys.stderr.isatty())
        except (OSError, RuntimeError) as e:
            reason = " ".join(str(e).split())
            raise UserError(
                f"the Inception weights cannot be downloaded ({reason}); download {URL_INCEPTION_V3} elsewhere and "
                "set metrics.weights=FILE"
            ) from e
        keep(file, store, digest)


def _as_file(weights: dict[str, Tensor]) -> io.BytesIO:
    """The weights as a file for the constructor, which unpickles it; it is written here from tensors only."""
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError("it has values that are not tensors")
    file = io.BytesIO()
    torch.save(dict(weights), file)
    file.seek(0)
    return file
