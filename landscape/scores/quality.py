"""Quality scores."""

from __future__ import annotations

from landscape.ranges import at_least
from landscape.scores.descriptor import Column, Option, Score

SCORES = (
    Score(
        "fid",
        "landscape.metrics.frechet:fid",
        (Column("fid", "{distance}", ".4g", "lower", ratios=True, distance=True),),
        diagnostic=False,
    ),
    Score(
        "is",
        "landscape.metrics.inception_score:is_score",
        (
            Column("is", "IS", ".2f", "higher", on_features=True),
            Column("is_std", format=".2f", spread=True, on_features=True),
        ),
        extractors=("classifier", "imagenet", "inception"),
        diagnostic=False,
    ),
    Score(
        "kid",
        "landscape.metrics.kid:kid_score",
        (
            Column("kid", "KID", ".4g", "lower", on_features=True),
            Column("kid_std", format=".4g", spread=True, on_features=True),
        ),
        (
            Option("kid_subsets", 100, at_least(1, 100_000), "random subsets that KID averages over"),
            Option("kid_subset_size", 1000, at_least(2, 100_000), "images per set in a KID subset"),
        ),
        needs=("real_features",),
        diagnostic=False,
    ),
    Score(
        "ms_ssim",
        "landscape.metrics.ms_ssim:ms_ssim_score",
        (
            Column("ms_ssim", "MS-SSIM", ".3f", "lower"),
            Column("diversity", "diversity", ".3f", "higher", one_minus="ms_ssim"),
        ),
        extractors=("classifier", "imagenet"),  # for pairs within a class
        diagnostic=False,
    ),
    Score(
        "modes",
        "landscape.metrics.modes:modes",
        (Column("modes", "modes covered", "g", "higher"), Column("quality", "high-quality samples", ".3f", "higher")),
        extractors=("points",),
        diagnostic=False,
    ),
)
