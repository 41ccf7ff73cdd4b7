"""Batch norm whose running variance averages population variances, as TensorFlow's does: `train.bn_variance`.

torch averages the unbiased variance, n / (n - 1) times as large. Training is unaffected; only inference uses it.
"""

from __future__ import annotations

from torch import Tensor, nn

from landscape import distributed
from landscape.networks.sync_batchnorm import SyncBatchNorm


class _Population(nn.modules.batchnorm._BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        """As the base class, then corrects the running variance."""
        if not (self.training and self.track_running_stats):
            return super().forward(input)
        assert self.running_var is not None and self.momentum is not None
        rest = (1 - self.momentum) * self.running_var
        y = super().forward(input)
        n = input.numel() // input.shape[1] * (distributed.size() if isinstance(self, SyncBatchNorm) else 1)
        self.running_var = rest + (self.running_var - rest) * ((n - 1) / n)  # a new tensor: the graph holds the old one
        return y


class PopulationBatchNorm1d(_Population, nn.BatchNorm1d):
    """nn.BatchNorm1d with the running population variance."""


class PopulationBatchNorm2d(_Population, nn.BatchNorm2d):
    """nn.BatchNorm2d with the running population variance."""


class PopulationSyncBatchNorm(_Population, SyncBatchNorm):
    """`SyncBatchNorm` with the running population variance."""


POPULATION: dict[type[nn.Module], type[_Population]] = {
    nn.BatchNorm1d: PopulationBatchNorm1d,
    nn.BatchNorm2d: PopulationBatchNorm2d,
    SyncBatchNorm: PopulationSyncBatchNorm,
}


def use_population_variance(network: nn.Module) -> None:
    """Replace every batch norm inside `network` by its population variant, in place. Parameters and buffers stay."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = POPULATION[type(module)]
