"""The geometry score: whether fakes have as many holes, for as long, as the data; on pixels, or on points.

Khrulkov & Oseledets, "Geometry Score" (arXiv 1802.02664). Landmarks are drawn from a set of points, and the others
link those of them that they are near to, up to a relaxation alpha (a witness complex); RLT(i) is the share of alpha
in [0, alpha_max] at which the complex has i one-dimensional holes, MRLT its mean over draws of landmarks.

Where paper and authors' code leave room: alpha_max is gamma times the largest distance of a point to a landmark (the
code), in plain distances all through (the code; squares would weigh large scales); landmarks are drawn without
replacement (a subset, as the paper says; the code draws with, so that some fall together); holes beyond `holes` are
left out of the curve (the code), so it need not sum to one. gudhi makes the complex and its persistence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import gudhi
import numpy as np
import torch
from scipy.spatial.distance import cdist

from landscape.metrics.reference_stats import pixels, some
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample

VERSION = 1  # of the curve of the real images in the cache
FACES = 4  # a triangle's nearest landmark outside it is among the four nearest


def holes_by_scale(
    points: np.ndarray, landmarks: int, gamma: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Births and deaths (k, 2) of the one-dimensional holes of one draw, and alpha_max; deaths may be infinite."""
    chosen = points[rng.choice(len(points), min(landmarks, len(points)), replace=False)]
    distance = cdist(points, chosen)
    alpha = gamma * float(distance.max())
    if alpha == 0:  # all points are one
        return np.zeros((0, 2)), 0.0
    order = np.argsort(distance, axis=1, kind="stable")
    sorted_ = np.take_along_axis(distance, order, axis=1)
    # Landmarks too far to be in any edge or triangle of a point are not handed over: the complex is the same.
    reach = (sorted_ <= sorted_[:, [min(FACES, sorted_.shape[1]) - 1]] + alpha).sum(1)
    table = [
        list(zip(i[:k].tolist(), d[:k].tolist(), strict=True)) for i, d, k in zip(order, sorted_, reach, strict=True)
    ]
    tree = gudhi.WitnessComplex(table).create_simplex_tree(max_alpha_square=alpha, limit_dimension=2)
    tree.compute_persistence(homology_coeff_field=2)
    return np.asarray(tree.persistence_intervals_in_dimension(1)).reshape(-1, 2), alpha


def living_times(bars: np.ndarray, alpha: float, holes: int) -> np.ndarray:
    """RLT (holes,): the share of [0, alpha] at which exactly i of the bars (k, 2) are alive, for i < holes."""
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
    """Sum of squared differences of two MRLT (eq. 8; no root), from 0 to 2."""
    return float(np.square(a - b).sum())


def shown(curve: np.ndarray) -> list[float]:
    """A curve for a row: rounded, without the zeros at its end."""
    return [round(float(v), 6) for v in np.trim_zeros(curve.round(6), "b")]


def geometry(s: Sample) -> Mapping[str, Value]:
    """`geometry` and the fakes' `mrlt`, on the pixels (a point's are its coordinates) of equally many images."""
    own = {key: value for key, value in s.request.options.items() if key.startswith("geometry_")}
    parameters = {key.removeprefix("geometry_"): value for key, value in own.items()}
    rows, seed = s.data.rows(s.data.part), s.request.seed
    n = min(parameters.pop("points"), len(rows), len(s.features))

    def make() -> dict[str, torch.Tensor]:
        of_data = pixels(s.data.images(rows), some(len(rows), n, seed))
        return {"mrlt": torch.from_numpy(mean_living_times(of_data, **parameters, seed=seed))}

    key = {"part": s.data.part, "seed": seed, "n": n, "version": VERSION, **parameters}
    real = s.data.once("geometry", key, make)["mrlt"].numpy()
    fake = mean_living_times(pixels(s.images, some(len(s.features), n, seed)), **parameters, seed=seed + 1)
    return {"geometry": geometry_score(real, fake), "mrlt": shown(fake)}
