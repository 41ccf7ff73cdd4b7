"""DINOv2's features from files in its authors' format, on random weights: those of the network written out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, interpolate, layer_norm, linear, softmax

from landscape.config.errors import UserError
from landscape.metrics.extractor_dinov2 import DEVIATION, MEAN, SIDE, dinov2_from
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.weights import NoWeights, find_weights
from sweeps.planning.plan import make_plan

DIM, DEPTH, HEADS, PATCH = 384, 12, 6, 14


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Random weights of ViT-S/14 under the names of its authors, with positions of 224 px."""
    rng = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng) / max(shape[-1], 10) ** 0.5

    found = {"cls_token": some(1, 1, DIM), "mask_token": some(1, DIM), "pos_embed": some(1, 257, DIM)}
    found |= {"patch_embed.proj.weight": some(DIM, 3, PATCH, PATCH), "patch_embed.proj.bias": some(DIM)}
    for i in range(DEPTH):
        layers = {
            "attn.qkv": (3 * DIM, DIM),
            "attn.proj": (DIM, DIM),
            "mlp.fc1": (4 * DIM, DIM),
            "mlp.fc2": (DIM, 4 * DIM),
        }
        found |= {f"blocks.{i}.{name}.weight": some(*shape) for name, shape in layers.items()}
        found |= {f"blocks.{i}.{name}.bias": some(shape[0]) for name, shape in layers.items()}
        found |= {f"blocks.{i}.ls{k}.gamma": some(DIM) for k in (1, 2)}
        found |= {f"blocks.{i}.norm{k}.{part}": some(DIM) for k in (1, 2) for part in ("weight", "bias")}
    return found | {"norm.weight": 1 + some(DIM), "norm.bias": some(DIM)}


def saved(weights: object) -> bytes:
    file = io.BytesIO()
    torch.save(weights, file)
    return file.getvalue()


def written_out(w: dict[str, Tensor], images: Tensor) -> Tensor:
    """The class token of images (n, 3, 224, 224) in [0, 255]."""
    x = (images / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    x = conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=PATCH).flatten(2).mT
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + w["pos_embed"]
    for i in range(DEPTH):
        b = {name.removeprefix(f"blocks.{i}."): t for name, t in w.items() if name.startswith(f"blocks.{i}.")}
        y = layer_norm(x, (DIM,), b["norm1.weight"], b["norm1.bias"], 1e-6)
        qkv = linear(y, b["attn.qkv.weight"], b["attn.qkv.bias"]).unflatten(2, (3, HEADS, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = (softmax(q @ k.mT / (DIM // HEADS) ** 0.5, -1) @ v).transpose(1, 2).flatten(2)
        x = x + b["ls1.gamma"] * linear(y, b["attn.proj.weight"], b["attn.proj.bias"])
        y = layer_norm(x, (DIM,), b["norm2.weight"], b["norm2.bias"], 1e-6)
        y = gelu(linear(y, b["mlp.fc1.weight"], b["mlp.fc1.bias"]))
        x = x + b["ls2.gamma"] * linear(y, b["mlp.fc2.weight"], b["mlp.fc2.bias"])
    return layer_norm(x, (DIM,), w["norm.weight"], w["norm.bias"], 1e-6)[:, 0]


def test_features_are_those_of_the_network_written_out(weights: dict[str, Tensor]) -> None:
    images = torch.randint(256, (2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).float()
    net = dinov2_from(saved(weights))
    with torch.inference_mode():
        features, logits = net(images)
        torch.testing.assert_close(features, written_out(weights, images), rtol=1e-3, atol=1e-3)
        assert features.shape == (2, DIM) and logits.shape == (2, 0) and features.std() > 0.1
        gray = images[:1, :1, :32, :32]
        enlarged = interpolate(gray, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)
        torch.testing.assert_close(net(gray)[0], net(enlarged.expand(-1, 3, -1, -1))[0])


def test_timms_files_fit_and_the_authors_grid_of_positions_is_resampled(weights: dict[str, Tensor]) -> None:
    images = torch.rand(1, 3, SIDE, SIDE) * 255
    net = dinov2_from(saved(weights))
    again = dinov2_from(saved(net.net.state_dict()))
    published = {**weights, "pos_embed": torch.cat([weights["pos_embed"][:, :1], torch.ones(1, 37**2, DIM)], 1)}
    even = {**weights, "pos_embed": torch.cat([weights["pos_embed"][:, :1], torch.ones(1, 16**2, DIM)], 1)}
    with torch.inference_mode():
        assert torch.equal(again(images)[0], net(images)[0])
        torch.testing.assert_close(
            dinov2_from(saved(published))(images)[0], written_out(even, images), rtol=1e-3, atol=1e-3
        )


def test_other_files_are_refused_by_name(weights: dict[str, Tensor]) -> None:
    for other in (
        [1, 2],
        {},
        {**weights, "norm.bias": torch.zeros(3)},
        {**weights, "register_tokens": torch.zeros(1, 4, DIM)},
    ):
        with pytest.raises(UserError, match="is not a file of DINOv2 weights"):
            dinov2_from(saved(other))


def test_a_plan_needs_the_file_and_keeps_it_in_the_store(weights: dict[str, Tensor], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(UserError, match=r"metrics=dinov2 needs metrics.weights=FILE: .*dinov2_vits14_pretrain"):
        make_plan(["metrics=dinov2", f"store={store.root}"], multirun=False)
    file = tmp_path / "dinov2.pth"
    file.write_bytes(saved(weights))
    config = (
        make_plan(["metrics=dinov2", f"metrics.weights={file}", f"store={store.root}"], multirun=False).runs[0].config
    )
    asked = EvalRequest.of(config)
    assert asked is not None and store.weights_file(asked.weights_sha256 or "").is_file()
    with pytest.raises(NoWeights):  # other weights in the store are not taken for them
        find_weights("dinov2", None, store)
