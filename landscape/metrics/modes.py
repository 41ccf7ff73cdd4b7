"""Modes of labeled points that samples cover, and how many samples lie at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample

GOOD_WITHIN = 3  # deviations


def modes(s: Sample) -> dict[str, float]:
    """Modes covered, and the share of good samples: those within three deviations of a mode (arXiv 1705.07761).

    A mode is covered by one good sample. Needs the logits of the `points` extractor.
    """
    good = s.logits.max(1) >= -(GOOD_WITHIN**2) / 2
    covered = np.unique(s.logits[good].argmax(1)).size if good.any() else 0
    return {"modes": float(covered), "quality": float(good.mean())}
