"""Modes of labeled points that samples cover, and the share of samples near a mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

GOOD_WITHIN = 3  # standard deviations


def modes(s: ScoringInput) -> dict[str, float]:
    """Number of covered modes, and the share of good samples: within three standard deviations of a mode (arXiv
    1705.07761).

    A mode with one good sample is covered. Needs the logits of the `points` extractor.
    """
    good = s.logits.max(1) >= -(GOOD_WITHIN**2) / 2
    covered = np.unique(s.logits[good].argmax(1)).size if good.any() else 0
    return {"modes": float(covered), "quality": float(good.mean())}
