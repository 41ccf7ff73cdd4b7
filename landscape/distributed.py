"""Data-parallel ranks of one run: slices of the batch and collectives. Without ranks every function is a no-op.

Every rank draws the same random numbers for the whole batch and takes its own rows. Losses are means over samples, so
the mean of the ranks' gradients is the gradient of the whole batch. The ranks form torch's default process group.

Gradients are averaged by one flat all-reduce after the backward pass. DistributedDataParallel is not used: its hooks
and buffer broadcasts support neither double backward (gradient penalties) nor two forward passes before one backward,
and these networks are too small to gain from overlapping communication.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Generator, Tensor, nn

STUCK = timedelta(minutes=20)  # rank 0's timeout: the other ranks only train, so they answer soon
PATIENT = timedelta(days=30)  # other ranks' timeout: rank 0 may evaluate for long; if it dies, they exit at once


def join(rank: int, size: int, meeting: Path, device: torch.device) -> None:
    """Join the process group of this run's ranks on this machine.

    `meeting` is a file in a folder that only this user can read. CUDA tensors use NCCL, CPU tensors gloo over loopback.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store = dist.FileStore(str(meeting), size)  # type: ignore[attr-defined, unused-ignore]
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENT if rank else STUCK)


def leave() -> None:
    """Leave the process group."""
    if size() > 1:
        dist.destroy_process_group()


def check_same(number: int) -> None:
    """Barrier. Raises `RuntimeError` unless every rank passes the same number."""
    mine = torch.tensor([number, -number])
    if size() > 1:
        dist.all_reduce(mine, dist.ReduceOp.MAX)
    if mine.tolist() != [number, -number]:
        raise RuntimeError(f"the ranks are at different steps, from {-mine[1]} to {mine[0]}")


def size() -> int:
    """Number of ranks that train this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank, from 0."""
    return dist.get_rank() if size() > 1 else 0


def local_rows(whole: Tensor) -> Tensor:
    """This rank's rows of a tensor of the whole batch. The batch size must be a multiple of the number of ranks."""
    if size() == 1:
        return whole
    n = len(whole) // size()
    return whole[rank() * n : (rank() + 1) * n]


def uniform(shape: torch.Size | tuple[int, ...], like: Tensor, rng: Generator) -> Tensor:
    """U[0, 1) of `shape` (samples first): this rank's rows of one draw for the whole batch, on `like`'s device and
    dtype."""
    return local_rows(torch.rand(_whole(shape), generator=rng, device=like.device, dtype=like.dtype))


def normal(shape: torch.Size | tuple[int, ...], like: Tensor, rng: Generator) -> Tensor:
    """N(0, 1), otherwise as `uniform`."""
    return local_rows(torch.randn(_whole(shape), generator=rng, device=like.device, dtype=like.dtype))


def _whole(shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] * size(), *shape[1:])


def sum_seconds(seconds: float, device: torch.device) -> float:
    """Sum of the ranks' busy seconds. GPU ranks run in lockstep, so there it is `seconds` times the number of ranks."""
    if size() == 1 or device.type == "cuda":
        return seconds * size()
    every = torch.tensor([seconds], dtype=torch.float64)  # a separate all-reduce: gradients keep their summation order
    dist.all_reduce(every)
    return every.item()


def std(x: Tensor, per_pixel: bool = False) -> Tensor:
    """Population standard deviation over the whole batch: of all values (), or of each pixel (1, ...)."""
    if size() == 1:
        return x.std(0, correction=0, keepdim=True) if per_pixel else x.std(correction=0)
    dims = [0] if per_pixel else list(range(x.ndim))
    mean = x.mean(dims, keepdim=True)
    average([mean])
    variance = (x - mean).square().mean(dims, keepdim=True)
    average([variance])
    return variance.sqrt() if per_pixel else variance.sqrt().reshape(())


@torch.no_grad()
def average(tensors: Iterable[Tensor | None]) -> None:
    """Replace each tensor by its mean over the ranks, in place, with a single all-reduce. None is skipped."""
    if size() == 1:
        return
    present = [t for t in tensors if t is not None]
    flat = torch.cat([t.reshape(-1) for t in present])
    dist.all_reduce(flat)
    flat /= size()
    for t, mean in zip(present, flat.split([t.numel() for t in present]), strict=True):
        t.copy_(mean.view(t.shape))


def running_statistics(*networks: nn.Module) -> list[Tensor]:
    """Running means and variances of batch norms. Ranks average them as they average gradients."""
    norms = [m for net in networks for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [s for m in norms for s in (m.running_mean, m.running_var) if s is not None]


class _Sum(torch.autograd.Function):
    """Sum over ranks. Its gradient is again a sum over ranks, so it can be differentiated twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return total(gradients[0])


def total(x: Tensor) -> Tensor:
    """Sum of `x` over the ranks, differentiable to any order."""
    if size() == 1:
        return x
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return summed


def gathered(x: Tensor) -> Tensor:
    """The rows of all ranks, in their order, differentiable to any order. Every rank passes as many rows.

    A loss of all rows is then the same on every rank, and the mean of the ranks' gradients is the gradient of it.
    """
    if size() == 1:
        return x
    return total(torch.cat([x if r == rank() else torch.zeros_like(x) for r in range(size())]))
