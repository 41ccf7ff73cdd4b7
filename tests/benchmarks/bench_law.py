"""What `make bench-law` simulates: whether bands beyond n and intervals of tuning laws hold (docs/statistics.md).

Ends with 1 where a band holds in less than 85 % of the samples of a planted law."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from laws_simulated import held_out, planted

STUDY = Path(__file__).parents[2] / "docs" / "studies" / "small-4e027ab7fe6d.csv.gz"
SAMPLES, SPLITS, LEAST = 60, 25, 0.85
SCENES = ((20, 0.0), (36, 0.0), (36, 0.2))  # runs, share that diverged
LAWS = ((1, 0.05), (2, 0.05), (2, 0.2), (3, 0.1), (4, 0.05))  # effective hyperparameters, noise


def main() -> int:
    """Print a line a scene."""
    failed = 0
    for n, diverged in SCENES:
        for parameters, noise in LAWS:
            held = planted(n, parameters, noise, SAMPLES, diverged)
            failed += held.band < LEAST
            told = ", ".join(f"{key} {value:.2f}" for key, value in held._asdict().items())
            print(f"n {n}, {diverged:.0%} diverged, {parameters} parameters, noise {noise}: {told}", flush=True)
    runs = pd.read_csv(STUDY)
    runs = runs[(runs["record"] == "run") & (runs["protocol"] == runs["protocol"].mode()[0])]
    for stages in (["search"], ["grid", "search"]):
        cells = [
            np.log(cell["fd_classifier"].where(cell["status"] == "done", np.inf).to_numpy(float))
            for _, cell in runs[runs["stage"].isin(stages)].groupby("cell")
        ]
        rng = np.random.default_rng(0)
        sizes = [len(values) for values in cells]
        true = [rng.random(n) ** (2 / 3) + 0.1 * rng.normal(size=n) for n in sizes]
        for what, values in ((f"digits, {' and '.join(stages)}", cells), ("planted laws", true)):
            told = ", ".join(f"{key} {value:.2f}" for key, value in held_out(values, SPLITS)._asdict().items())
            print(f"{what}, {len(sizes)} cells of {min(sizes)} to {max(sizes)}: {told}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
