"""Scores within true classes, for conditional generators.

The distance within a class compares the samples asked to be of it with its real images; its mean over classes is the
"intra FID" of Miyato and Koyama (arXiv 1802.05637, section 4). MS-SSIM takes pairs within the class asked for; the
score `ms_ssim` takes them within the class that the extractor predicts, which any generator's samples have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from landscape.metrics.frechet import Moments, distance_of_features
from landscape.metrics.ms_ssim import within_class
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

UNKNOWN = "the classes of the samples are not known: the generator is not conditional"
OTHERS = "the extractor does not predict the classes of these data"


def too_few(counts: np.ndarray, features: int) -> str | None:
    """Why there is no distance within each class, or None; a covariance of d features takes more than d images."""
    least = int(counts.argmin())
    if counts[least] > features:
        return None
    return f"class {least} has {counts[least]} images, and a distance of {features} features needs {features + 1}"


def distances(features: np.ndarray, labels: np.ndarray, real: list[Moments]) -> list[float]:
    """The Frechet distance of the samples (n, d) of each class to its real images."""
    return [distance_of_features(features[labels == c], moments) for c, moments in enumerate(real)]


def true_classes(s: ScoringInput) -> Mapping[str, Value]:
    """Columns `intra_fd` (mean over classes), `intra_fds` (by class), `ms_ssim_classes`, and `class_accuracy`.

    `class_accuracy` is the share of samples that the data's own classifier takes for the class asked for.
    """
    if s.labels is None:
        return dict.fromkeys(("intra_fd", "ms_ssim_classes", "class_accuracy"), UNKNOWN)
    real, d = s.data.labels[s.data.rows(s.data.part)], s.features.shape[1]
    classes = int(s.data.labels.max()) + 1
    found: dict[str, Value] = {
        "ms_ssim_classes": within_class(s.images, s.labels, s.request.options["class_pairs"]),
        "class_accuracy": OTHERS,
    }
    if s.request.extractor == "classifier":
        found["class_accuracy"] = float((s.logits.argmax(1) == s.labels).mean())
    counts = np.minimum(np.bincount(real, minlength=classes), np.bincount(s.labels, minlength=classes))
    why = too_few(counts, d)
    if why is not None:
        return {"intra_fd": why, **found}
    each = distances(s.features, s.labels, s.data.class_moments)
    return {"intra_fd": float(np.mean(each)), "intra_fds": each, **found}
