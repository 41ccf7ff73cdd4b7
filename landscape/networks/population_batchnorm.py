"""Batch normalization whose running variance is the population's, as TensorFlow's unfused one: `train.bn_variance`.

Torch's follows the unbiased variance of each batch, n / (n - 1) times that which it divides by in training. No weight
is trained otherwise: only inference uses it.
"""

from __future__ import annotations

from torch import Tensor, nn

from landscape import distributed
from landscape.networks.sync_batchnorm import SyncBatchNorm


class _Population(nn.modules.batchnorm._BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        """As the class beside it in the table below; then the running variance is put right."""
        if not (self.training and self.track_running_stats):
            return super().forward(input)
        assert self.running_var is not None and self.momentum is not None
        rest = (1 - self.momentum) * self.running_var
        y = super().forward(input)
        n = input.numel() // input.shape[1] * (distributed.size() if isinstance(self, SyncBatchNorm) else 1)
        self.running_var = rest + (self.running_var - rest) * ((n - 1) / n)  # a new tensor: the graph keeps the other
        return y


class PopulationBatchNorm1d(_Population, nn.BatchNorm1d):
    """nn.BatchNorm1d with the population's running variance."""


class PopulationBatchNorm2d(_Population, nn.BatchNorm2d):
    """nn.BatchNorm2d with the population's running variance."""


class PopulationSyncBatchNorm(_Population, SyncBatchNorm):
    """`SyncBatchNorm` with the population's running variance."""


POPULATION: dict[type[nn.Module], type[_Population]] = {
    nn.BatchNorm1d: PopulationBatchNorm1d,
    nn.BatchNorm2d: PopulationBatchNorm2d,
    SyncBatchNorm: PopulationSyncBatchNorm,
}


def keep_population_variance(network: nn.Module) -> None:
    """Turn every batch norm inside `network` into one of these, in place; its parameters and buffers stay."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = POPULATION[type(module)]
