"""The networks, by name: a generator from latents to images in [0, 1], a discriminator to logits.

Adding one is a file like `landscape/networks/sndcgan.py`, a row of `NETWORKS`, a file in `conf/arch`, a rule for its
sizes in `landscape/config/validation.py`, a row in `tests/landscape/networks/test_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, nn

from landscape.config.registry import lookup
from landscape.config.schema import Arch, Config
from landscape.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from landscape.networks.mlp import MLPDiscriminator, MLPGenerator
from landscape.networks.normalizers import MakeLayer, layers, normalize_weights
from landscape.networks.resnet import (
    ResNet19Discriminator,
    ResNet19Generator,
    ResNetCIFARDiscriminator,
    ResNetCIFARGenerator,
)
from landscape.networks.sndcgan import SNDCGANDiscriminator, SNDCGANGenerator
from landscape.networks.spectral_norm import add_spectral_norm
from landscape.rng import stream

G_SPECTRAL_EPS = 1e-12


class Network(NamedTuple):
    """Constructors of one architecture; `size` is the side in pixels, one that `landscape.config.validation` allows.

    `generator(size, channels, latent_dim, arch)` and `discriminator(size, channels, arch, norm)`, where
    `norm(channels)` makes the layer for the places that the architecture gives to normalization.
    """

    generator: Callable[[int, int, int, Arch], nn.Module]
    discriminator: Callable[[int, int, Arch, MakeLayer], nn.Module]


NETWORKS: dict[str, Network] = {
    "sndcgan": Network(SNDCGANGenerator, SNDCGANDiscriminator),
    "dcgan": Network(DCGANGenerator, DCGANDiscriminator),
    "resnet19": Network(ResNet19Generator, ResNet19Discriminator),
    "mlp": Network(MLPGenerator, MLPDiscriminator),
    "resnet_cifar": Network(ResNetCIFARGenerator, ResNetCIFARDiscriminator),
}


def initialise(layer: nn.Module, std: float, rng: Generator) -> None:
    """Weights of linear and (de)convolution layers ~ N(0, std), biases 0; norms keep scale 1 and offset 0.

    A layer or a whole network with a method `initialise(std, rng)` brings its own, of all that is in it.
    """
    own = getattr(layer, "initialise", None)
    if own is not None:
        own(std, rng)
        return
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, std, generator=rng)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for inner in layer.children():
        initialise(inner, std, rng)


def build(cfg: Config, channels: int) -> tuple[nn.Module, nn.Module]:
    """The generator and discriminator of a run, initialised from its seed, on the CPU.

    Raises `UserError` for an unknown `arch.kind` or `norm.kind`.
    """
    network = lookup("arch.kind", cfg.arch.kind, NETWORKS)
    g = network.generator(cfg.data.size, channels, cfg.latent.dim, cfg.arch)
    d = network.discriminator(cfg.data.size, channels, cfg.arch, layers(cfg.norm))
    initialise(g, cfg.arch.init_std, stream(cfg.seed, "init/g"))
    initialise(d, cfg.arch.init_std, stream(cfg.seed, "init/d"))
    normalize_weights(d, cfg.norm, stream(cfg.seed, "norm/d"))
    if cfg.arch.g_spectral:
        add_spectral_norm(g, G_SPECTRAL_EPS, stream(cfg.seed, "norm/g"))
    return g, d
