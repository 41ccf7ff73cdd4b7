"""Spectral normalization with an explicit power iteration step.

Miyato et al., "Spectral Normalization for GANs" (arXiv 1802.05957), algorithm 1. torch's parametrization iterates in
every training-mode forward pass, and the study's code in every call of D (real, fake, penalty, G step, evaluation).
Here it iterates once per D update, so that neither the penalty nor an evaluation changes training; `norm.moves=pass`
iterates in every training pass.

The bound is on the reshaped kernel. The norm of the convolution can be larger by up to sqrt(kh * kw) at stride 1, so SN
and a gradient penalty are not redundant.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """W -> W / sigma(W), with W reshaped to (out, in * kh * kw) and sigma = u^T W v. u and v are constants in the
    backward pass.

    `axis` is the axis of output channels: 1 in a transposed convolution, whose weight is (in, out, kh, kw).
    """

    couples_samples = False
    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, epsilon: float, rng: Generator, axis: int = 0) -> None:
        super().__init__()
        self.epsilon, self.axis = epsilon, axis
        matrix = self.matrix(weight.detach())
        u = normalize(torch.randn(matrix.shape[0], generator=rng), dim=0, eps=epsilon)
        self.register_buffer("u", u)
        self.register_buffer("v", normalize(matrix.t() @ u, dim=0, eps=epsilon))

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix with one row per output channel."""
        return weight.transpose(0, self.axis).flatten(1)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided by its estimated largest singular value (arXiv 1802.05957, eq. 8)."""
        with torch.autocast(weight.device.type, enabled=False):  # always fp32
            sigma = torch.dot(self.u, self.matrix(weight) @ self.v)
            return weight / sigma

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """One power iteration: v = norm(W^T u), u = norm(W v). New tensors keep earlier graphs valid."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self.matrix(weight)
            self.v = normalize(matrix.t() @ self.u, dim=0, eps=self.epsilon)
            self.u = normalize(matrix @ self.v, dim=0, eps=self.epsilon)


def add_spectral_norm(module: nn.Module, epsilon: float, rng: Generator) -> None:
    """Add spectral normalization to the weights of all linear and (transposed) convolution layers of `module`."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            norm = SpectralNorm(layer.weight, epsilon, rng, axis)
            parametrize.register_parametrization(layer, "weight", norm)


def advance_spectral_norms(module: nn.Module) -> None:
    """Run one power iteration for all weights of `module`. Call it once per D update, before the first pass."""
    for layer in module.modules():
        if isinstance(layer, parametrize.ParametrizationList):
            for norm in layer:
                if isinstance(norm, SpectralNorm):
                    norm.advance(layer.original)
