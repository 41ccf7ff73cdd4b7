"""Batch norm with statistics over all ranks: `train.sync_bn`.

torch's SyncBatchNorm needs CUDA and does not support double backward. This one uses plain tensor operations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape import distributed


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """nn.BatchNorm1d and 2d with batch statistics over all ranks, which hold equal shares."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, ...) normalized per channel. Every rank must call it with the same batch size."""
        if not self.training or distributed.size() == 1:
            return super().forward(input)
        x = input.float()
        dims = [0, *range(2, x.ndim)]
        own_var, own_mean = torch.var_mean(x, dims, correction=0)
        # One all-reduce with a row per rank. Combining moments is more accurate than summing raw squares.
        moments = torch.stack([own_mean, own_var])
        rows = [moments if r == distributed.rank() else torch.zeros_like(moments) for r in range(distributed.size())]
        means, variances = distributed.total(torch.stack(rows)).unbind(1)
        mean = means.mean(0)
        var = variances.mean(0) + (means - mean).square().mean(0)
        if self.track_running_stats:
            self._move(mean.detach(), var.detach(), distributed.size() * x.numel() // x.shape[1])
        shape = [1, -1, *[1] * (x.ndim - 2)]
        y = (x - mean.view(shape)) * (var + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _move(self, mean: Tensor, var: Tensor, n: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None and self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (n / (n - 1)), self.momentum)


def use_sync_batchnorm(network: nn.Module) -> None:
    """Replace every batch norm inside `network` by `SyncBatchNorm`, in place. Parameters and buffers stay."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = SyncBatchNorm
