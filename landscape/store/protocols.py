"""Definition of scores: a request says how to score, a protocol adds what is known at scoring (weights, counts).

A request is known at planning, without torch. Two scores are comparable only if their protocols are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from landscape.config.identity import short_hash
from landscape.scores import OPTIONS, SCORES
from landscape.store import formats
from landscape.store.formats import count, listed, mapped, number, or_null, text
from landscape.store.record import Record, holds
from landscape.store.run_status import RunStatus

VERSION = 1  # of the scoring code; raise it if the same request would give other values

# Keys of the first release, hashed even if null. Later keys are hashed only if not null and not at the value in
# NEUTRAL, so that ids of requests and protocols without them stay valid.
FIRST = {
    *("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "is_splits", "pairs_per_class"),
    *("data", "generator", "version", "weights", "n_real", "resize", "ms_ssim"),
}
NEUTRAL: dict[str, int | float | str] = {name: option.neutral for name, option in OPTIONS.items()}


@dataclass(frozen=True, kw_only=True)
class EvalRequest(Record):
    """How a run is to be scored, and which scores it gets."""

    LIMIT: ClassVar[int] = 1 << 20

    scores: Sequence[str] = field(metadata=holds(listed(text)))  # names of scores
    extractor: str = field(metadata=holds(text))
    extractor_seed: int | None = field(default=None, metadata=holds(formats.seed, always=True))
    real: str = field(metadata=holds(text))  # split of real images to compare with
    n_fake: int = field(metadata=holds(count))
    quantise: str = field(metadata=holds(text))
    seed: int = field(metadata=holds(formats.seed))  # of the latents
    is_splits: int | None = field(default=None, metadata=holds(count, always=True))
    pairs_per_class: int | None = field(default=None, metadata=holds(count, always=True))
    weights_sha256: str | None = field(default=None, metadata=holds(text, always=True))
    ms_ssim_pairs: str | None = field(default=None, metadata=holds(text, always=True))
    data: str = field(metadata=holds(text))  # digest of the data set
    generator: str = field(metadata=holds(text))  # "raw" or "ema"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self | None:
        """The request in a run's configuration; None if it asks for no scores."""
        metrics = config["metrics"]
        if not metrics.get("scores"):
            return None
        return cls(
            scores=sorted(metrics["scores"]),
            data=config["data"]["content"],
            generator="raw" if config["train"]["ema"] is None else "ema",
            **{key: metrics.get(key) for key in KEYS},
            more={key: metrics.get(key) for key in NEUTRAL},
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the scores, by name (`landscape.scores.OPTIONS`)."""
        return self.more

    @property
    def id(self) -> str:
        """Id of the request. The list of scores is not part of it, because it does not change what a score means."""
        return short_hash({"version": VERSION} | {k: v for k, v in defining(self).items() if k != "scores"})

    @property
    def newest(self) -> list[str]:
        """What of its scores a run's status holds: the first column of each, as it is stored."""
        return [SCORES[name].columns[0].stored(self.extractor) for name in self.scores if name in SCORES]

    def in_config(self) -> dict[str, Any]:
        """The keys of a configuration's `metrics` for this request."""
        return {key: value for key, value in self.unchecked().items() if key not in ("data", "generator")}

    def missing(self, status: RunStatus | None) -> list[str]:
        """The scores of this request that a finished run lacks according to its status; all if that is None."""
        have = () if status is None else status.scored.get(self.id, ())
        return [score for score in self.scores if score not in have]


# Keys of `metrics` in a request besides the scores and their options.
KEYS = (
    *("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "is_splits", "pairs_per_class"),
    *("weights_sha256", "ms_ssim_pairs"),
)
# Keys of a protocol that are informative and do not define a score.
ABOUT = ("accuracy", "features", "floor", "floor_noisy", "training", "source")


@dataclass(frozen=True, kw_only=True)
class EvalProtocol(Record):
    """Everything that a score depends on, plus facts that help to interpret it. None: not recorded."""

    extractor: str | None = field(default=None, metadata=holds(text, always=True))
    extractor_seed: int | None = field(default=None, metadata=holds(formats.seed, always=True))
    real: str | None = field(default=None, metadata=holds(text, always=True))
    quantise: str | None = field(default=None, metadata=holds(text, always=True))
    seed: int | None = field(default=None, metadata=holds(formats.seed, always=True))
    is_splits: int | None = field(default=None, metadata=holds(count, always=True))
    is_shuffle: int | None = field(default=None, metadata=holds(count, always=True))  # seed of the shuffling
    version: int | None = field(default=None, metadata=holds(count, always=True))
    generator: str | None = field(default=None, metadata=holds(text, always=True))
    data: str | None = field(default=None, metadata=holds(text, always=True))
    weights: str | None = field(default=None, metadata=holds(text, always=True))  # SHA-256 of the extractor's weights
    n_real: int | None = field(default=None, metadata=holds(count, always=True))
    n_fake: int | None = field(default=None, metadata=holds(count, always=True))
    resize: str | None = field(default=None, metadata=holds(text, always=True))
    ms_ssim: Mapping[str, Any] = field(default_factory=dict, metadata=holds(or_null(mapped()), always=True))

    accuracy: float | None = field(default=None, metadata=holds(number))  # test accuracy of a classifier
    training: Mapping[str, Any] | None = field(default=None, metadata=holds(mapped()))  # how a classifier was trained
    features: int | None = field(default=None, metadata=holds(count))  # number of features
    # Scores of held-out real images, and of real images with noise.
    floor: Mapping[str, Any] | None = field(default=None, metadata=holds(mapped(), always=True))
    floor_noisy: Mapping[str, float] | None = field(default=None, metadata=holds(mapped()))
    source: str | None = None  # the CSV file of scores without a full protocol

    @property
    def id(self) -> str:
        """The id in every row."""
        return short_hash(defining(self))


def defining(one: EvalRequest | EvalProtocol) -> dict[str, Any]:
    """The keys of a request or protocol that determine its id."""
    return {
        key: value
        for key, value in one.unchecked().items()
        if key in FIRST or (value is not None and key not in ABOUT and NEUTRAL.get(key) != value)
    }


def differing_keys(*several: EvalRequest | EvalProtocol) -> list[str]:
    """Sorted names of the keys on which they differ."""
    known = [defining(one) for one in several]
    keys = {key for one in known for key in one}
    return sorted(key for key in keys if any(one.get(key) != known[0].get(key) for one in known))
