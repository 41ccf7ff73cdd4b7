"""D on training, test and fake images: the threshold is the loss's, the scale that of training, the state untouched."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support import TINY, frozen_runs
from torch import Tensor, nn

from landscape.config.schema import typed
from landscape.data import load_data
from landscape.losses.adversarial import LOSSES
from landscape.metrics.discriminator_accuracy import d_accuracy, discriminator_stats, logits
from landscape.metrics.evaluator import ScoringInput
from landscape.metrics.extractors import Extractor
from landscape.metrics.networks_under_test import NetworksUnderTest, inference
from landscape.metrics.reference_stats import RealData, Reference
from landscape.metrics.row_values import as_row
from landscape.networks.build import build
from landscape.store import RunFolder, Store
from landscape.store.protocols import EvalProtocol, EvalRequest
from landscape.training.data_loader import Batches

TRAIN, TEST, FAKE = torch.tensor([2.0, 0.3, 0.7]), torch.tensor([0.3, -1.0, 0.7]), torch.tensor([-2.0, 0.2, 0.6])


def test_accuracy_counts_logits_on_their_side_of_the_threshold() -> None:
    ns = discriminator_stats(TRAIN, TEST, FAKE, LOSSES["ns"])
    assert [ns[f"d_acc_{k}"] for k in ("train", "test", "fake")] == pytest.approx([1, 2 / 3, 1 / 3])
    ls = discriminator_stats(TRAIN, TEST, FAKE, LOSSES["ls"])  # undecided at 1/2
    assert [ls[f"d_acc_{k}"] for k in ("train", "test", "fake")] == pytest.approx([2 / 3, 1 / 3, 2 / 3])
    assert ls["d_logit_train"] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_each_loss_says_where_d_is_undecided_or_gives_none_with_a_reason(kind: str) -> None:
    """At the threshold a step of D's own loss pushes real and fake logits apart by equal amounts."""
    loss = LOSSES[kind]
    row = as_row(discriminator_stats(TRAIN, TEST, FAKE, loss))
    assert math.isfinite(row["d_logit_fake"]) and math.isfinite(row["d_loss_test"])
    if loss.threshold is None:
        assert row["d_acc_train"] is None and "no decision threshold" in row["why"]["d_acc_train"]
        return
    real, fake = (torch.full((4,), loss.threshold, requires_grad=True) for _ in range(2))
    loss.d(real, fake).backward()
    assert real.grad is not None and fake.grad is not None and real.grad[0] < 0
    torch.testing.assert_close(real.grad, -fake.grad)


def test_loss_on_training_images_is_that_of_the_training_loop() -> None:
    found = discriminator_stats(TRAIN, TEST, FAKE, LOSSES["hinge"])
    assert found["d_loss_train"] == pytest.approx(LOSSES["hinge"].d(TRAIN, FAKE).item())


class Seen(nn.Module):
    """A discriminator that keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(x.clone())
        return x.mean((1, 2, 3))


class Grey(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.full((len(z), 1, 8, 8), 0.3)


def test_images_arrive_as_the_training_loop_shows_them(run: RunFolder, store: Store) -> None:
    """The very numbers that `Batches` gives, from the right side of the split; fakes without rounding."""
    data, cpu = load_data(typed(run.config()).data), torch.device("cpu")
    nothing = np.zeros((2, 1))
    reference = Reference(lambda: nothing, "none", store, keep=False)
    real = RealData(data, "test", reference, Extractor(lambda x: (x, x), "", {}), store, cpu, {})
    seen = Seen()
    networks = NetworksUnderTest(Grey(), seen, LOSSES["ns"], torch.zeros(100, 2), lambda name, samples: None)
    images = real.images(data.test)
    asked = EvalRequest.of(run.config())
    assert asked is not None
    found = d_accuracy(ScoringInput(images, nothing, nothing, asked, EvalProtocol(), real, networks))
    train, test, fake = seen.batches
    trained_on = Batches(data.images, data.train, len(data.train), 0, cpu).next().images

    def each(x: Tensor) -> set[bytes]:
        return {image.contiguous().numpy().tobytes() for image in x}

    assert len(train) == len(test) == len(fake) == 100
    assert each(train) <= each(trained_on) and not each(test) & each(trained_on)
    assert (fake == 0.3).all() and found["d_logit_fake"] == pytest.approx(0.3)
    assert found["d_logit_train"] == pytest.approx(train.mean().item())


@pytest.mark.parametrize("reg", ["sn", "bn"])
def test_asking_leaves_no_trace_in_d(store: Store, reg: str) -> None:
    (run,) = frozen_runs(store, *TINY, f"reg={reg}")
    cfg = typed(run.config())
    g, d = build(cfg, 1)
    d.train()
    before = {name: value.clone() for name, value in d.state_dict().items()}
    with inference(g, d):
        assert not d.training
        logits(d, [(torch.rand(8, 1, 8, 8), None)])
    assert d.training and all(torch.equal(before[name], value) for name, value in d.state_dict().items())
