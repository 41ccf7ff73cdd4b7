"""Geometry score: compares the numbers and lifetimes of holes in fakes and data, on pixels or points.

Khrulkov & Oseledets, "Geometry Score" (arXiv 1802.02664). Random landmarks and the remaining points form a witness
complex with relaxation alpha. RLT(i) is the share of alpha in [0, alpha_max] at which it has i one-dimensional holes;
MRLT is the mean over draws of landmarks.

Choices where paper and code leave room: alpha_max is gamma times the largest distance of a point to a landmark (code);
distances are not squared (code); landmarks are drawn without replacement (paper; the code draws with replacement); more
than `holes` holes are not part of the curve (code), so it need not sum to one. gudhi computes the complex and its
persistence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import gudhi
import numpy as np
import torch
from scipy.spatial.distance import cdist

from landscape.metrics.reference_stats import flat_pixels, subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

VERSION = 1  # of the cached curve of the real images
FACES = 4  # the nearest landmark outside a triangle is among the four nearest


def holes_by_scale(
    points: np.ndarray, landmarks: int, gamma: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Births and deaths (k, 2) of one-dimensional holes for one draw, and alpha_max. Deaths may be infinite."""
    chosen = points[rng.choice(len(points), min(landmarks, len(points)), replace=False)]
    distance = cdist(points, chosen)
    alpha = gamma * float(distance.max())
    if alpha == 0:  # all points are equal
        return np.zeros((0, 2)), 0.0
    order = np.argsort(distance, axis=1, kind="stable")
    sorted_ = np.take_along_axis(distance, order, axis=1)
    # Omit landmarks that are too far for any edge or triangle; the complex is unchanged.
    reach = (sorted_ <= sorted_[:, [min(FACES, sorted_.shape[1]) - 1]] + alpha).sum(1)
    table = [
        list(zip(i[:k].tolist(), d[:k].tolist(), strict=True)) for i, d, k in zip(order, sorted_, reach, strict=True)
    ]
    tree = gudhi.WitnessComplex(table).create_simplex_tree(max_alpha_square=alpha, limit_dimension=2)
    tree.compute_persistence(homology_coeff_field=2)
    return np.asarray(tree.persistence_intervals_in_dimension(1)).reshape(-1, 2), alpha


def living_times(bars: np.ndarray, alpha: float, holes: int) -> np.ndarray:
    """RLT (holes,): the share of [0, alpha] at which exactly i of the bars (k, 2) are alive."""
    shares = np.zeros(holes)
    if alpha == 0:
        shares[0] = 1
        return shares
    born, dead = bars[:, 0], np.minimum(bars[:, 1], alpha)
    cuts = np.unique(np.concatenate([[0, alpha], born, dead]))
    middle = (cuts[1:] + cuts[:-1])[:, None] / 2
    alive = ((born <= middle) & (middle < dead)).sum(1)
    kept = alive < holes
    np.add.at(shares, alive[kept], np.diff(cuts)[kept] / alpha)
    return shares


def mean_living_times(
    points: np.ndarray, landmarks: int, gamma: float, holes: int, draws: int, seed: int
) -> np.ndarray:
    """MRLT (holes,) of points (n, d): the mean RLT over `draws` draws of landmarks."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = [living_times(*holes_by_scale(points, landmarks, gamma, rng), holes) for _ in range(draws)]
    return np.asarray(np.mean(drawn, axis=0))


def geometry_score(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of squared differences of two MRLT (eq. 8; no root), in [0, 2]."""
    return float(np.square(a - b).sum())


def rounded_curve(curve: np.ndarray) -> list[float]:
    """A curve as stored: rounded, without trailing zeros."""
    return [round(float(v), 6) for v in np.trim_zeros(curve.round(6), "b")]


def geometry(s: ScoringInput) -> Mapping[str, Value]:
    """`geometry` and the fakes' `mrlt`, on pixels (for points: coordinates) of equally many images."""
    own = {key: value for key, value in s.request.options.items() if key.startswith("geometry_")}
    parameters = {key.removeprefix("geometry_"): value for key, value in own.items()}
    rows, seed = s.data.rows(s.data.part), s.request.seed
    n = min(parameters.pop("points"), len(rows), len(s.features))

    def make() -> dict[str, torch.Tensor]:
        of_data = flat_pixels(s.data.images(rows), subsample(len(rows), n, seed))
        return {"mrlt": torch.from_numpy(mean_living_times(of_data, **parameters, seed=seed))}

    key = {"part": s.data.part, "seed": seed, "n": n, "version": VERSION, **parameters}
    real = s.data.cached("geometry", key, make)["mrlt"].numpy()
    fake = mean_living_times(flat_pixels(s.images, subsample(len(s.features), n, seed)), **parameters, seed=seed + 1)
    return {"geometry": geometry_score(real, fake), "mrlt": rounded_curve(fake)}
