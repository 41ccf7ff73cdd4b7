"""The `dinov2` extractor: timm's DINOv2 with weights from a file (`metrics.weights=FILE`).

Oquab et al. (arXiv 2304.07193); Stein et al. (arXiv 2306.04675) found a distance on its features to agree with people
more often than FID. The files of its authors (dinov2_vits14_pretrain.pth, also vitb14, vitl14 and vitg14) and those
that timm saves both fit; the size of the network is read off the file. Its distance is `fd_dinov2`.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from landscape.config.errors import UserError

SIDE = 224
RESIZE = f"{SIDE} px, bicubic, antialiased, cut to the levels (torch's)"
BATCH = 32
SIZES = {384: "small", 768: "base", 1024: "large", 1536: "giant"}  # by number of features
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, per color


class DinoFeatures(nn.Module):
    """Images (n, 1 or 3, side, side) in [0, 255] to (the class token (n, d) after the last norm, no logits (n, 0))."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Raises `KeyError` or `RuntimeError` if the weights belong to another network."""
        super().__init__()
        import timm  # slow import (1 s), which also loads torchvision
        from timm.models.vision_transformer import checkpoint_filter_fn

        name = f"vit_{SIZES[weights['pos_embed'].shape[-1]]}_patch14_dinov2"
        with torch.random.fork_rng(devices=[]):  # keep the initialization from changing the global random state
            net: Any = timm.create_model(name, pretrained=False, img_size=SIDE, num_classes=0)
        net.load_state_dict(checkpoint_filter_fn(dict(weights), net))  # the grid of positions is resampled
        self.net: Any = net
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and logits of no class. Images are resized to `SIDE`; gray is repeated to three channels."""
        x = x.float().expand(-1, 3, -1, -1)
        if x.shape[-1] != SIDE:
            x = interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)
        mean, deviation = (255 * x.new_tensor(color)[:, None, None] for color in (MEAN, DEVIATION))
        return self.net((x - mean) / deviation), x.new_empty((len(x), 0))


def dinov2_from(content: bytes) -> DinoFeatures:
    """The network with the weights in `content`. Loads tensors only. Raises `UserError` if they do not fit."""
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return DinoFeatures(weights)
    except ImportError as e:
        raise UserError(f"metrics=dinov2 needs timm ({e}): pip install 'gan-landscape[imagenet]'") from e
    except (KeyError, RuntimeError, ValueError, EOFError, TypeError, AttributeError, pickle.UnpicklingError) as e:
        reason = " ".join(str(e).split())[:160]
        raise UserError(f"metrics.weights is not a file of DINOv2 weights without registers ({reason})") from e
