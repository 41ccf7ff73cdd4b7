"""Random streams: each purpose has its own generator, seeded by the run's seed and the purpose's name."""

from __future__ import annotations

import hashlib

import torch
from torch import Generator


def stream(seed: int, name: str, device: torch.device | str = "cpu") -> Generator:
    """A generator on `device`, seeded by a hash of `seed` and `name`, so that streams are independent."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
