"""The `pixels` extractor: random convolutions with fixed weights, for when nothing else is at hand.

Nothing is installed, trained or downloaded, and no labels are needed. The features see noise, blur, colors, contrast
and repetition, and know nothing of what an image shows. Their distance is `fd_pixels`. Principal components of the real
images were the alternative: see docs/scores.md.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

WIDTH = 16
SEED = 0


class RandomConvolutions(nn.Module):
    """Images (n, channels, side, side) in [0, 255] to (features (n, WIDTH * layers), no logits (n, 0)).

    3x3 convolutions without bias and ReLU, each layer after the first with stride 2, down to about 4 pixels. The
    features are the means of every layer's maps. Weights are Gaussian with variance 2 / fan-in.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        rng = np.random.Generator(np.random.PCG64(SEED))
        inputs = [channels, *[WIDTH] * (layers(side) - 1)]
        drawn = [rng.standard_normal((WIDTH, n, 3, 3)) * math.sqrt(2 / (9 * n)) for n in inputs]
        self.weights = nn.ParameterList(nn.Parameter(torch.from_numpy(w).float(), False) for w in drawn)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and logits of no class."""
        x = x.float() / 127.5 - 1
        means = []
        for place, weight in enumerate(self.weights):
            x = relu(conv2d(x, weight, stride=2 if place else 1, padding=1))
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1), x.new_empty((len(x), 0))

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        found = hashlib.sha256()
        for weight in self.weights:
            found.update(weight.detach().cpu().numpy().tobytes())
        return found.hexdigest()


def layers(side: int) -> int:
    """The number of convolutions for images of this side: 2 at 8 pixels, 4 at 32, 6 at 128."""
    return max(2, int(math.log2(side)) - 1)
