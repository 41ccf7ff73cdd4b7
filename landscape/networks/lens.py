"""The lens between real images and D, of tempered adversarial networks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, Tensor, nn

from landscape.config.registry import lookup
from landscape.config.schema import Config
from landscape.networks.layers import channels_at
from landscape.rng import stream

HIDDEN, BLOCKS = 32, 2
SLOPE, LAST_SLOPE = 0.2, 0.4


class LensBlock(nn.Module):
    """Residual block: 3x3, leaky ReLU, 3x3, plus the input."""

    couples_samples = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(channels, channels, 3, 1, 1)
        )

    def forward(self, h: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        out: Tensor = h + self.body(h)
        return out


class TemperedLens(nn.Module):
    """x + lReLU(3x3(two blocks(lReLU(3x3(x))))), the identity at first: images (batch, channels, h, w) to the same.

    After a public implementation of Sajjadi et al. (arXiv 1802.04374): widths and slope of the last activation are
    its. That the last convolution starts at 0, and the others from He's normal distribution, is a choice of this code.
    38,755 parameters for three channels.
    """

    couples_samples = False

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        hidden = channels_at(width, HIDDEN)
        self.body = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, 1, 1), nn.LeakyReLU(SLOPE), *(LensBlock(hidden) for _ in range(BLOCKS))
        )
        self.last = nn.Conv2d(hidden, channels, 3, 1, 1)

    def initialize(self, rng: Generator) -> None:
        """Start as the identity."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, SLOPE, generator=rng)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, channels, h, w) to images of the same shape, which need not be in [0, 1]."""
        return x + nn.functional.leaky_relu(self.last(self.body(x)), LAST_SLOPE)


LENSES: dict[str, Callable[[int, float], TemperedLens] | None] = {"none": None, "tempered": TemperedLens}


def build_lens(cfg: Config, channels: int) -> nn.Module | None:
    """The lens of a run, on the CPU, initialized from the run's seed; None without one."""
    make = lookup("lens.kind", cfg.lens.kind, LENSES)
    if make is None:
        return None
    assert cfg.lens.width is not None
    lens = make(channels, cfg.lens.width)
    lens.initialize(stream(cfg.seed, "init/lens"))
    return lens


def squared_change(images: Tensor, seen: Tensor, reduce: str) -> Tensor:
    """||x - L(x)||^2, the mean over the batch: of each image its sum over pixels, or the mean over them."""
    squares = (images - seen).square().flatten(1)
    return lookup("lens.reduce", reduce, {"mean": squares.mean(1), "sum": squares.sum(1)}).mean()
