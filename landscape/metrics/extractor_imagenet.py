"""The `imagenet` extractor: timm's EfficientNet-Lite0 with its published ImageNet weights.

Its distance is `fd_imagenet`, not FID, and not comparable with Inception's. Input size and resampling were chosen by
linear-probe accuracy on CIFAR-10 and by cost; see docs/scores.md.
"""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from landscape.config.errors import UserError

SIDE = 96
RESIZE = f"{SIDE} px, bicubic, antialiased, cut to the levels (torch's)"
BATCH = 32  # larger batches exceed the CPU cache: 125 takes 1.5 times as long per image

# Layer names: published file -> timm.
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
EXPANDED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"},
    **{"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"},
}


class ImageNetFeatures(nn.Module):
    """Images (n, 1 or 3, side, side) in [0, 255] to (pooled features (n, 1280), logits (n, 1000))."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Raises `KeyError` or `RuntimeError` if the weights belong to another network."""
        super().__init__()
        import timm  # slow import (1 s), which also loads torchvision

        with torch.random.fork_rng(devices=[]):  # keep the initialization from changing the global random state
            net: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        blocks = [(stage, place) for stage, part in enumerate(net.blocks) for place in range(len(part))]
        net.load_state_dict({_timm_name(name, blocks): tensor for name, tensor in weights.items()})
        self.net: Any = net.to(memory_format=torch.channels_last)  # 1.6 times faster on a CPU
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits. Images are resized to `SIDE` and scaled to [-1, 1]; gray is repeated to three
        channels."""
        x = x.float().expand(-1, 3, -1, -1)
        if x.shape[-1] != SIDE:
            x = interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)
        maps = self.net.forward_features(((x - 127.5) / 127.5).contiguous(memory_format=torch.channels_last))
        features = self.net.forward_head(maps, pre_logits=True)
        return features, self.net.classifier(features)


def network(content: bytes) -> ImageNetFeatures:
    """The network with the weights in `content`. Loads tensors only. Raises `UserError` if they do not fit."""
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return ImageNetFeatures(weights)
    except ImportError as e:
        raise UserError(f"metrics=imagenet needs timm ({e}): pip install 'gan-landscape[imagenet]'") from e
    except (KeyError, RuntimeError, ValueError, EOFError, TypeError, AttributeError, pickle.UnpicklingError) as e:
        reason = " ".join(str(e).split())[:160]
        raise UserError(f"metrics.weights is not a file of EfficientNet-Lite0 weights ({reason})") from e


def _timm_name(name: str, blocks: list[tuple[int, int]]) -> str:
    """timm's name of a tensor in the published file. Raises `KeyError` if there is none."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, layer, tensor = match.groups()
        if int(number) >= len(blocks):
            raise KeyError(name)
        stage, place = blocks[int(number)]
        return f"blocks.{stage}.{place}.{(EXPANDED if stage else PLAIN)[layer]}.{tensor}"
    layer, _, tensor = name.partition(".")
    return f"{OUTSIDE[layer]}.{tensor}"
