"""Selection of the device."""

from __future__ import annotations

import torch

from landscape.config.errors import UserError


def pick_device(device: str) -> torch.device:
    """The torch device; "auto" is the first GPU if there is one. Raises `UserError` if it is not available."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as e:
        raise UserError(f"device={device} is not available here; legal: auto, cpu, or an available CUDA device") from e
    return chosen
