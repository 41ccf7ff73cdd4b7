"""The optimum of a discriminator that sees a mixed batch (loss=bgan), against that of one that sees single images."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.special import betaln, logsumexp

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

SIZES = (1, 2, 4, 8, 16, 32, 64)
RATIO = np.exp(0.1)  # p/q of every image of the batch
B, CHANCE = 8, 0.7  # batch on two points; chance of the point 1 under the data, 1 - CHANCE under the model
DRAWS = 400_000


def optimum(ratios: Array) -> float:
    """E[share of real images | batch] where the share is drawn uniformly; `ratios` are p/q of the images.

    A mask with k ones has the prior weight Beta(k + 1, B - k + 1), and the masks of k ones sum up to the k-th
    elementary symmetric polynomial of the ratios.
    """
    size = len(ratios)
    k = np.arange(size + 1)
    weights = np.log(np.poly(-np.asarray(ratios))) + betaln(k + 1, size - k + 1)
    return float(np.exp(weights - logsumexp(weights)) @ k / size)


def single(ratios: Array) -> float:
    """The mean of p/(p + q) over the images: the optimum at a fixed share of one half."""
    return float(np.mean(ratios / (1 + ratios)))


def on_two_points(ones: int) -> Array:
    """The ratios of a batch of `B` with so many ones."""
    odds = CHANCE / (1 - CHANCE)
    return np.where(np.arange(B) < ones, odds, 1 / odds)


def simulate() -> Data:
    """Weighted draws of shares and masks for batches of equal ratios; mean shares of drawn batches on two points."""
    rng = np.random.default_rng(0)
    equal = []
    for size in SIZES:
        k = rng.binomial(size, rng.random(DRAWS))
        weights = RATIO**k
        equal.append(weights @ k / weights.sum() / size)
    real = rng.random((DRAWS, B)) < rng.random((DRAWS, 1))
    ones = (rng.random((DRAWS, B)) < np.where(real, CHANCE, 1 - CHANCE)).sum(1)
    shares = np.bincount(ones, real.mean(1), B + 1) / np.bincount(ones, minlength=B + 1)
    return {"equal": np.array(equal), "shares": shares}


def checks(data: Data) -> list[Check]:
    """Drawn batches against the optimum, and values by hand."""
    e = np.e
    by_hand = [optimum(np.array(ratios)) for ratios in ([e, e], [e, 1], [e, 1 / e], [e] * 4)]
    k = np.arange(65)
    geometric = RATIO**k @ k / (RATIO**k).sum() / 64
    return [
        Check(
            "equal ratios e^0.1, batches of 1 to 64", data["equal"], [optimum(np.full(s, RATIO)) for s in SIZES], 0.005
        ),
        Check(
            "two points: mean share by the number of ones",
            data["shares"],
            [optimum(on_two_points(k)) for k in range(B + 1)],
            0.006,
        ),
        Check("batches of 2 and 4 by hand", by_hand, [0.787605, 0.654039, 0.5, 0.862985], 1e-6),
        Check("64 equal ratios: a geometric sum", optimum(np.full(64, RATIO)), geometric, 1e-12),
        Check("a batch of one is a single image", optimum(np.array([3.0])), single(np.array([3.0])), 1e-12),
    ]


def draw(data: Data) -> Figure:
    """The optimum over the size of the batch, and over what a small batch holds."""
    sizes, ones = range(1, 65), range(B + 1)
    with sheet("Every image has p/q = e^0.1", f"Batches of {B} on two points", width=4.4) as (fig, (left, right)):
        line(left, sizes, [optimum(np.full(s, RATIO)) for s in sizes], SERIES[0], "mixed batch: E[share | batch]")
        dots(left, SIZES, data["equal"], SERIES[0])
        line(left, sizes, np.full(64, RATIO / (1 + RATIO)), SERIES[1], "single image: p/(p + q)")
        line(right, ones, [optimum(on_two_points(k)) for k in ones], SERIES[0], "mixed batch")
        dots(right, ones, data["shares"], SERIES[0])
        line(right, ones, [single(on_two_points(k)) for k in ones], SERIES[1], "mean over single images")
        left.set(xscale="log", xlabel="images in the batch", ylabel="optimal D", ylim=(0.4, 0.95))
        left.set_xticks(SIZES, [str(s) for s in SIZES])
        left.minorticks_off()
        right.set(xlabel="images at the point that data prefer", ylabel="optimal D")
        legend(left)
        legend(right)
    return fig


PANEL = Panel(
    "batches",
    "What a batch tells that single images do not",
    (
        "share of real images r ~ U[0, 1], D* = E[r | batch]; lᵢ = p(xᵢ)/q(xᵢ)",
        "weight of a mask with k ones: Beta(k + 1, B − k + 1) ∏ lᵢ",
    ),
    "Where each image is weak evidence, 64 of them together are strong: 0.85 in place of 0.52. That is what a mixed "
    "batch gives G to learn from, and why a collapsed generator is seen at once.",
    "Lucas et al., Mixed batches and symmetric discriminators, ICML 2018 (arXiv 1806.07185); the law of the share is "
    "our reading, and the optimum is derived here",
    simulate,
    checks,
    draw,
)
