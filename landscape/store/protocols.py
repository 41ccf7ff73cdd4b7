"""What a score means: a request says how to score, a protocol adds what it met (weights, counts).

A request is known at planning, without torch; a protocol only once the extractor exists. Two scores may share
a table only where their protocols are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.config.identity import short_hash
from landscape.scores import OPTIONS
from landscape.store.run_folder import RunFolder
from landscape.store.run_status import RunStatus

VERSION = 1  # of the scoring code: raised when the same request would give other numbers
KEYS = ("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "is_splits", "pairs_per_class")

# Keys of a protocol's text that inform its reader and do not define a score.
ABOUT = ("accuracy", "features", "floor", "floor_noisy", "training")


# Keys of the first release, hashed even where they are null. Any later key is hashed only where it is not null and
# not at its value here, so that requests and protocols that know nothing of it keep their ids.
FIRST = {
    *("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "is_splits", "pairs_per_class"),
    *("data", "generator", "version", "weights", "n_real", "resize", "ms_ssim"),
}
NEUTRAL: dict[str, Any] = {name: option.neutral for name, option in OPTIONS.items()}
LATER = ("weights_sha256", "ms_ssim_pairs", *NEUTRAL)


def request(config: dict[str, Any]) -> dict[str, Any] | None:
    """How `config` asks its run to be scored, scores by name included; None where it asks for none."""
    metrics = config["metrics"]
    if not metrics.get("scores"):
        return None
    return {
        "scores": sorted(metrics["scores"]),
        **{key: metrics.get(key) for key in KEYS + LATER},
        "data": config["data"]["content"],
        "generator": "raw" if config["train"]["ema"] is None else "ema",
    }


def request_id(asked: dict[str, Any]) -> str:
    """Which scores are listed does not change what each means, so it is not in the id."""
    return short_hash(defining({"version": VERSION, **{k: v for k, v in asked.items() if k != "scores"}}))


def protocol_id(protocol: dict[str, Any]) -> str:
    """The id that every row carries."""
    return short_hash(defining(protocol))


def defining(text: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a request or protocol that set it apart from others."""
    return {
        key: value
        for key, value in text.items()
        if key in FIRST or (value is not None and not (key in NEUTRAL and NEUTRAL[key] == value))
    }


def extractor_key(asked: dict[str, Any], spec: dict[str, Any]) -> str:
    """The cache key of the extractor that a request needs: the data, the seed, and how it is trained."""
    return short_hash({"data": asked["data"], "seed": asked["extractor_seed"], "spec": spec})


def missing_scores(asked: dict[str, Any], status: RunStatus | None) -> list[str]:
    """Which scores of a request a finished run still lacks, from its status alone; all where that is None."""
    have = () if status is None else status.scored.get(request_id(asked), ())
    return [score for score in asked["scores"] if score not in have]


def pending_requests(run: RunFolder) -> list[dict[str, Any]]:
    """Requests frozen into the run's folder that its status does not list as met."""
    asked = run.asked()
    status = run.status() if asked else None
    return [a for a in asked if missing_scores(a, status)]


def differing_keys(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Names of the keys on which two protocols' texts differ."""
    a, b = defining(a), defining(b)
    return sorted(key for key in (a.keys() | b.keys()) - set(ABOUT) if a.get(key) != b.get(key))
