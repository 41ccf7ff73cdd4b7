"""Scores within true classes: those that a conditional generator was asked for, and the labels of real images."""

from __future__ import annotations

from landscape.ranges import at_least
from landscape.scores.descriptor import Column, Option, Score

SCORES = (
    Score(
        "classes",
        "landscape.metrics.true_classes:true_classes",
        (
            Column("intra_fd", "FD within classes", ".4g", "lower", on_features=True),
            Column("intra_fds", curve=True),
            Column("ms_ssim_classes", "MS-SSIM within classes", ".3f", "lower"),
            Column("class_accuracy", "of the class asked for", ".3f", "higher"),
        ),
        (Option("class_pairs", 16, at_least(2, 1_000_000), "images per true class from which MS-SSIM forms pairs"),),
        extractors=("classifier", "dinov2", "imagenet", "inception", "pixels"),
        needs=("real_features",),
        diagnostic=False,
    ),
)
