"""The device that a configuration names."""

from __future__ import annotations

import torch

from landscape.config.errors import UserError


def pick_device(device: str) -> torch.device:
    """ "auto" is the first GPU where there is one; raises `UserError` for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as e:
        raise UserError(
            f"device={device} cannot be used here; legal: auto, cpu, or a CUDA device that is present"
        ) from e
    return chosen
