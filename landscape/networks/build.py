"""Networks by name: a generator from latents to images in [0, 1], and a discriminator from images to logits.

A new one needs a file like `landscape/networks/sndcgan.py`, a row of `NETWORKS`, a file in `conf/arch`, a size rule in
`landscape/config/validation.py`, and a row in `tests/landscape/networks/test_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, nn

from landscape.config.registry import lookup
from landscape.config.schema import Config
from landscape.networks.batch_layers import Packed, make_symmetric
from landscape.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from landscape.networks.mlp import MLPDiscriminator, MLPGenerator
from landscape.networks.normalizers import layer_factory, normalize_weights
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
    """Constructors of an architecture.

    `generator(size, channels, latent_dim, arch)` and `discriminator(size, channels, arch, norm)`, where `size` is the
    side in pixels and `norm(channels)` makes a normalization layer. Those that can be conditional (their file in
    `conf/arch` has the key) also take `classes`, and are then called with labels.
    """

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]


NETWORKS: dict[str, Network] = {
    "sndcgan": Network(SNDCGANGenerator, SNDCGANDiscriminator),
    "dcgan": Network(DCGANGenerator, DCGANDiscriminator),
    "resnet19": Network(ResNet19Generator, ResNet19Discriminator),
    "mlp": Network(MLPGenerator, MLPDiscriminator),
    "resnet_cifar": Network(ResNetCIFARGenerator, ResNetCIFARDiscriminator),
}


def initialize(layer: nn.Module, std: float, rng: Generator) -> None:
    """Initialize linear and (transposed) convolution layers: weights ~ N(0, std), biases 0. Norms keep scale 1 and bias
    0.

    A module with a method `initialize(std, rng)` initializes itself and its children.
    """
    own = getattr(layer, "initialize", None)
    if own is not None:
        own(std, rng)
        return
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, std, generator=rng)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for inner in layer.children():
        initialize(inner, std, rng)


def build(cfg: Config, channels: int) -> tuple[nn.Module, nn.Module]:
    """The generator and discriminator of a run, on the CPU, initialized from the run's seed."""
    network = lookup("arch.kind", cfg.arch.kind, NETWORKS)
    more = {"classes": cfg.data.classes} if cfg.arch.conditional else {}
    pack = cfg.arch.pack or 1
    g = network.generator(cfg.data.size, channels, cfg.latent.dim, cfg.arch, **more)
    d = network.discriminator(cfg.data.size, pack * channels, cfg.arch, layer_factory(cfg.norm), **more)
    if cfg.arch.symmetric:
        make_symmetric(d)
    initialize(g, cfg.arch.init_std, stream(cfg.seed, "init/g"))
    initialize(d, cfg.arch.init_std, stream(cfg.seed, "init/d"))
    normalize_weights(d, cfg.norm, stream(cfg.seed, "norm/d"))
    if cfg.arch.g_spectral:
        add_spectral_norm(g, G_SPECTRAL_EPS, stream(cfg.seed, "norm/g"))
    return g, d if pack == 1 else Packed(d, pack)
