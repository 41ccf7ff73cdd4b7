"""What the processes of one run (its ranks) share: slices of one batch, and averages over it.

Every rank makes the same random draws, for the whole batch, and takes its own rows of them; a term of a loss is a
mean over samples, so that the average of the ranks' gradients is the gradient of the whole batch. With one rank
everything here hands back what it was given. The ranks are those of torch's default process group.

Gradients are averaged by one flat all-reduce after the backward pass, not by DistributedDataParallel: its hooks and
its broadcast of buffers do not take penalties that differentiate twice, nor two passes before one backward, and
networks of this size leave it little communication to hide.
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

STUCK = timedelta(minutes=20)  # rank 0 never waits long for another: they only train
PATIENT = timedelta(days=30)  # they wait for rank 0 as long as it scores; should it die, they end at once (team.py)


def join(rank: int, size: int, meeting: Path, device: torch.device) -> None:
    """Meet the other ranks of this machine over the file `meeting`, which only this run's user may read.

    Tensors on a GPU travel by NCCL, all others by gloo over the loopback interface.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store = dist.FileStore(str(meeting), size)  # type: ignore[attr-defined, unused-ignore]
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENT if rank else STUCK)


def leave() -> None:
    """Be alone again."""
    if size() > 1:
        dist.destroy_process_group()


def check_same(number: int) -> None:
    """Raise `RuntimeError` unless every rank calls this with the same number; all of them wait for the last."""
    mine = torch.tensor([number, -number])
    if size() > 1:
        dist.all_reduce(mine, dist.ReduceOp.MAX)
    if mine.tolist() != [number, -number]:
        raise RuntimeError(f"ranks of one run stand at different steps, between {-mine[1]} and {mine[0]}")


def size() -> int:
    """How many ranks train this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if size() > 1 else 0


def share(whole: Tensor) -> Tensor:
    """This rank's rows of what all ranks hold of the whole batch; its length is a multiple of their number."""
    if size() == 1:
        return whole
    n = len(whole) // size()
    return whole[rank() * n : (rank() + 1) * n]


def uniform(shape: torch.Size | tuple[int, ...], like: Tensor, rng: Generator) -> Tensor:
    """U[0, 1) of `shape` (samples first): this rank's rows of one draw for the whole batch."""
    return share(torch.rand(_whole(shape), generator=rng, device=like.device, dtype=like.dtype))


def normal(shape: torch.Size | tuple[int, ...], like: Tensor, rng: Generator) -> Tensor:
    """N(0, 1), in the same way."""
    return share(torch.randn(_whole(shape), generator=rng, device=like.device, dtype=like.dtype))


def _whole(shape: torch.Size | tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] * size(), *shape[1:])


def together(seconds: float, device: torch.device) -> float:
    """What all ranks' processors took; devices are kept in step, so that each takes as long as this rank's."""
    if size() == 1 or device.type == "cuda":
        return seconds * size()
    every = torch.tensor([seconds], dtype=torch.float64)  # in a message of its own: sums of gradients keep their order
    dist.all_reduce(every)
    return every.item()


def deviation(x: Tensor, per_pixel: bool = False) -> Tensor:
    """The population standard deviation of all values of the whole batch, or of each pixel, (1, ...), over it."""
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
    """Replace each tensor by its mean over the ranks, all of them in one message; None is passed over."""
    if size() == 1:
        return
    present = [t for t in tensors if t is not None]
    flat = torch.cat([t.reshape(-1) for t in present])
    dist.all_reduce(flat)
    flat /= size()
    for t, mean in zip(present, flat.split([t.numel() for t in present]), strict=True):
        t.copy_(mean.view(t.shape))


def statistics(*networks: nn.Module) -> list[Tensor]:
    """The running means and variances of batch norms, which ranks average as they do gradients."""
    norms = [m for net in networks for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [s for m in norms for s in (m.running_mean, m.running_var) if s is not None]


class _Sum(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum of theirs, and so is that one's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return total(gradients[0])


def total(x: Tensor) -> Tensor:
    """The differentiable sum of `x` over the ranks, to any order."""
    if size() == 1:
        return x
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return summed
