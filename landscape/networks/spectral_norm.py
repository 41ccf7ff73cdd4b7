"""Spectral normalization with a power iteration that moves only when told to.

Miyato et al., "Spectral Normalization for GANs" (arXiv 1802.05957), algorithm 1. Torch's own
parametrization moves the iteration at every forward pass in training mode, and the study's code at every
call of the discriminator (real, fake, penalty, G step, evaluation). Here it moves once per D update and
nowhere else, so that neither the penalty nor an evaluation changes what is trained; `norm.moves=pass` has it move
at every pass of training.

The bound is on the reshaped kernel, not on the convolution: its norm can be larger by up to
sqrt(kh * kw) at stride 1, which is why SN and a gradient penalty combine usefully.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """W -> W / sigma(W), W reshaped to (out, in * kh * kw), sigma = u^T W v with W live, u and v constant.

    `axis` is that of the output channels: 1 in a transposed convolution, whose weight is (in, out, kh, kw).
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
        """The weight with a row for each output channel."""
        return weight.transpose(0, self.axis).flatten(1)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its largest singular value, as power iteration has it (arXiv 1802.05957, eq. 8)."""
        with torch.autocast(weight.device.type, enabled=False):  # in single precision whatever the network runs in
            sigma = torch.dot(self.u, self.matrix(weight) @ self.v)
            return weight / sigma

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """One power iteration: v = norm(W^T u), u = norm(W v), new tensors so that no graph is disturbed."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self.matrix(weight)
            self.v = normalize(matrix.t() @ self.u, dim=0, eps=self.epsilon)
            self.u = normalize(matrix @ self.v, dim=0, eps=self.epsilon)


def add_spectral_norm(module: nn.Module, epsilon: float, rng: Generator) -> None:
    """Normalize the weight of every linear layer and (transposed) convolution of `module`; biases are left alone."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            norm = SpectralNorm(layer.weight, epsilon, rng, axis)
            parametrize.register_parametrization(layer, "weight", norm)


def advance_spectral_norms(module: nn.Module) -> None:
    """Move every power iteration inside `module` by one; call it once per D update, before the first pass."""
    for layer in module.modules():
        if isinstance(layer, parametrize.ParametrizationList):
            for norm in layer:
                if isinstance(norm, SpectralNorm):
                    norm.advance(layer.original)
