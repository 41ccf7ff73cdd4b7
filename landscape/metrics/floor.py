"""The floor of a protocol: what real images score in the fakes' place, and how their distance falls with their number.

A Frechet distance is biased upwards by about 1/n (arXiv 1706.08500), so that even real images are at some distance
from other real ones: a generator's distance is to be read against theirs at the same n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from landscape.cache import once
from landscape.data import Dataset
from landscape.identity import short_hash
from landscape.metrics.frechet import Moments, distance_of_features
from landscape.protocol import protocol_id
from landscape.store import Store

LADDER = (1000, 2000, 5000, 10000)

Extract = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # rows of the data set to features and logits
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]  # rows, features, logits to a row


def real_floor(
    store: Store,
    protocol: dict[str, Any],
    scores: list[str],
    data: Dataset,
    reference: Moments,
    extract: Extract,
    measure: Measure,
) -> dict[str, Any] | None:
    """The floor as a protocol's text has it; None where all images are the reference, so that none are left.

    {"n": images in the fakes' place, a score: its value ..., "by_n": [[n, distance], ...]}. The images are drawn
    from those outside the reference, without replacement and by the protocol's seed; the smaller sets are parts of
    the larger. It is computed once per data set and protocol, whatever the number of runs.
    """
    others = np.setdiff1d(np.arange(len(data.images)), data.part(protocol["real"]))
    if len(others) < 2:
        return None
    rows = np.random.Generator(np.random.PCG64(protocol["seed"])).permutation(others)
    n = min(protocol["n_fake"], len(others))
    counts = sorted({n, *(count for count in LADDER if count <= len(others))})
    held: list[tuple[np.ndarray, np.ndarray]] = []

    def first(count: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits of the first `count` rows, extracted once for all of a call."""
        if not held or len(held[0][0]) < count:
            held[:] = [extract(rows[:count])]
        features, logits = held[0]
        return features[:count], logits[:count]

    def distances() -> dict[str, Any]:
        first(counts[-1])
        return {"by_n": [[count, distance_of_features(first(count)[0], reference)] for count in counts]}

    def values() -> dict[str, Any]:
        found = measure(rows[:n], *first(n))
        return {key: value for key, value in found.items() if key != "why" and value is not None}

    whose = protocol_id({k: v for k, v in protocol.items() if k != "generator"})
    curve = once(store, "floor", short_hash([whose, counts]), distances)
    at_n = once(store, "floor", short_hash([whose, sorted(scores)]), values)
    return {"n": n, **at_n, **curve}
