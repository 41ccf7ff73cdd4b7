"""Batches: the same ones however the images are read, and the same after going on from anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.training.data_loader import Batches

CPU = torch.device("cpu")
N, BATCH = 50, 8  # six batches an epoch, two images left over


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    """Random images as a memory map that cannot be written."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (N + 10, 3, 4, 4), dtype=np.uint8))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


ROWS = np.random.default_rng(1).permutation(N + 10)[:N]


def make(images: np.ndarray, small: int = 0, device: torch.device = CPU) -> Batches:
    """`small=0` reads ahead by a thread."""
    return Batches(images, ROWS, BATCH, 3, device, small)


def test_reading_ahead_changes_no_batch(mapped: np.ndarray) -> None:
    ahead, plain, memory = make(mapped), make(mapped, 2**30), make(np.array(mapped), 2**30)
    assert ahead.reader is not None and plain.reader is None
    for _ in range(20):
        batch = ahead.next().images
        assert torch.equal(batch, plain.next().images) and torch.equal(batch, memory.next().images)


def test_an_epoch_shows_the_training_images_and_no_others(mapped: np.ndarray) -> None:
    batches = make(mapped)
    seen = torch.cat([batches.next().images for _ in range(N // BATCH)])
    known = {image.tobytes() for image in np.asarray(mapped)[ROWS]}
    shown = [(image * 255).round().byte().contiguous().numpy().tobytes() for image in seen]
    assert set(shown) <= known and len(set(shown)) == len(shown)


@pytest.mark.parametrize("small", [0, 2**30], ids=["ahead", "plain"])
def test_labels_are_those_of_their_images(small: int) -> None:
    images = np.arange(N + 10, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    batches = Batches(images, ROWS, BATCH, 3, CPU, small, labels=np.arange(N + 10))
    for _ in range(9):
        batch = batches.next()
        assert batch.labels is not None
        assert torch.equal((batch.images[:, 0, 0, 0] * 255).round().long(), batch.labels)
    assert make(images, small).next().labels is None


@pytest.mark.parametrize("at", [0, 1, 5, 6, 7, 12, 13])
@pytest.mark.parametrize("small", [0, 2**30], ids=["ahead", "plain"])
def test_going_on_from_anywhere_gives_the_same_batches(mapped: np.ndarray, at: int, small: int) -> None:
    batches = make(mapped, small)
    for _ in range(at):
        batches.next()
    state = {key: value.clone() if torch.is_tensor(value) else value for key, value in batches.state_dict().items()}
    expected = [batches.next().images for _ in range(9)]
    other = make(mapped, small)
    for _ in range(4):  # it has been elsewhere, and has read ahead there
        other.next()
    other.load_state_dict(state)
    assert all(torch.equal(other.next().images, batch) for batch in expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("small", [0, 2**30], ids=["ahead", "resident"])
def test_a_gpu_gets_the_same_batches(mapped: np.ndarray, small: int) -> None:
    there, here = make(mapped, small, torch.device("cuda")), make(mapped)
    assert all(torch.equal(there.next().images.cpu(), here.next().images) for _ in range(20))
