"""Scores that say something of fewer images than a Frechet distance needs. docs/scores.md compares them."""

from __future__ import annotations

from landscape.ranges import at_least, between, positive
from landscape.scores.descriptor import Column, Option, Score

SCORES = (
    Score(
        "fd_infinity",
        "landscape.metrics.fd_infinity:fd_infinity",
        (
            Column("fd_infinity", "FD infinity", ".4g", "lower", on_features=True),
            Column("fd_infinity_se", format=".4g", spread=True, on_features=True),
        ),
        (
            Option("fd_infinity_points", 15, at_least(3, 1000), "numbers of images that FD infinity extrapolates from"),
            Option("fd_infinity_from", 0.5, between(0, 1), "the smallest of these numbers, as a share of n_fake"),
        ),
        diagnostic=False,
    ),
    Score(
        "mind",
        "landscape.metrics.sliced_distance:mind_score",
        (Column("mind", "MIND", ".4g", "lower", on_features=True),),
        (Option("mind_projections", 1000, at_least(1, 1_000_000), "directions that MIND averages over"),),
        needs=("real_features",),
        diagnostic=False,
    ),
    Score(
        "mmd",
        "landscape.metrics.mmd:mmd_score",
        (Column("mmd2", "MMD^2", ".4g", "lower", on_features=True),),
        (
            Option(
                "mmd_bandwidth",
                1.0,
                positive(),
                "standard deviation of MMD's Gaussian kernel, relative to the median distance between real images",
            ),
        ),
        needs=("real_features",),
        diagnostic=False,
    ),
)
