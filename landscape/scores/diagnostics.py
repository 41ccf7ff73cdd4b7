"""Diagnostic scores: why samples are good or bad."""

from __future__ import annotations

from landscape.ranges import Legal, at_least, one_of, positive
from landscape.scores.descriptor import Column, Option, Score

JUDGED = {"train": "train", "test": "test", "fake": "fakes"}

SCORES = (
    Score(
        "prd",
        "landscape.metrics.precision_recall:prd",
        (
            Column("prd_f8", "recall (PRD F8)", better="higher"),
            Column("prd_f1_8", "precision (PRD F1/8)", better="higher"),
        ),
        (
            Option("prd_clusters", 20, at_least(2, 10_000), "clusters of the precision-recall curve"),
            Option("prd_angles", 1001, at_least(3, 100_000), "points of the precision-recall curve"),
            Option("prd_runs", 10, at_least(1, 10_000), "clusterings that precision and recall are averaged over"),
            Option(
                "prd_average",
                "scores",
                one_of("scores", "curve"),
                "averaged over clusterings: the two scores, or the curve (the study)",
            ),
        ),
        needs=("real_features",),
    ),
    Score(
        "coverage",
        "landscape.metrics.coverage:coverage_score",
        (
            Column("coverage", "coverage", ".3f", "higher"),
            Column("density", "density", ".3f", "higher"),
        ),
        (Option("coverage_k", 5, at_least(1, 10_000), "the neighbor that a real image's neighborhood reaches to"),),
        needs=("real_features",),
    ),
    Score(
        "vendi",
        "landscape.metrics.vendi:vendi",
        (Column("vendi", "Vendi score", ".4g", "higher"),),
        extractors=("classifier", "dinov2", "imagenet", "inception"),
    ),
    Score(
        "d_accuracy",
        "landscape.metrics.discriminator_accuracy:d_accuracy",
        (
            *(Column(f"d_acc_{of}", f"D accuracy, {name}") for of, name in JUDGED.items()),
            *(Column(f"d_logit_{of}", f"D's mean logit, {name}") for of, name in JUDGED.items()),
            *(Column(f"d_loss_{of}", f"D's loss, {of}") for of in ("train", "test")),
        ),
        needs=("networks", "discriminator"),
    ),
    Score(
        "conditioning",
        "landscape.metrics.jacobian_conditioning:conditioning",
        (
            Column("log_condition", "log condition of G", better="lower"),
            Column("log_condition_std", "log condition of G, sd", spread=True),
            Column("latent_rank", "effective latent dimensions", better="higher"),
            Column("spectrum", curve=True),
        ),
        (Option("jacobians", 64, at_least(1, 100_000), "latents at which G's conditioning is measured"),),
        needs=("networks",),
    ),
    Score(
        "geometry",
        "landscape.metrics.geometry_score:geometry",
        (Column("geometry", "geometry score", better="lower"), Column("mrlt", curve=True)),
        (
            Option("geometry_landmarks", 64, at_least(3, 10_000), "landmarks of the geometry score"),
            Option(
                "geometry_gamma",
                1 / 32,
                positive(),
                "alpha_max of the geometry score, relative to the largest distance of a point to a landmark",
            ),
            Option("geometry_holes", 100, at_least(2, 10_000), "length of the geometry score's MRLT"),
            Option("geometry_draws", 50, at_least(1, 1_000_000), "landmark draws of the geometry score"),
            Option(
                "geometry_points",
                500,
                at_least(4, 1_000_000),
                "largest number of images per set for the geometry score",
            ),
        ),
    ),
    Score(
        "birthday",
        "landscape.metrics.birthday_test:birthday",
        (
            Column("duplicates", "duplicate pairs", better="lower"),
            Column("support", "support size", better="higher", ratios=True),
            Column("support_low", "support size, lower bound", better="higher", ratios=True),
            Column("closest_pairs", curve=True),
        ),
        (
            Option(
                "birthday_samples",
                2000,
                Legal(lambda v: 2 <= v <= 20000, "2 to 20000"),
                "samples of the birthday test",
            ),
            Option(
                "birthday_share",
                0.25,
                positive(),
                "duplicate threshold, as a share of the distance between nearest real images",
            ),
            Option(
                "birthday_space",
                "features",
                one_of("features", "pixels"),
                "space in which the birthday test measures distances",
            ),
        ),
        needs=("real_features",),
    ),
    Score(
        "neighbours",
        "landscape.metrics.memorization:neighbours",
        (
            Column("nn_distance", "distance to nearest training image"),
            Column("nn_ratio", "train over test distance"),
            Column("nn_nearer", "nearer to train than test images"),
        ),
        (
            Option(
                "neighbours",
                1000,
                at_least(1, 100_000),
                "samples whose nearest training images are searched",
            ),
        ),
        needs=("real_features", "networks"),
    ),
)
