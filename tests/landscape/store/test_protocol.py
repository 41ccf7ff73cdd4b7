"""What a score means: ids of requests and protocols that may never change."""

from __future__ import annotations

from typing import Any

import pytest

from landscape.store.protocols import NEUTRAL, EvalProtocol, EvalRequest, differing_keys
from sweeps.planning.plan import make_plan

# As the first release wrote them. If one of these ids changes, finished runs of old stores are scored again, and
# their rows no longer share a table with new ones.
ASKED: dict[str, Any] = {
    "scores": ["fid"], "extractor": "classifier", "extractor_seed": 0, "real": "test", "n_fake": 500,
    "quantise": "uint8", "seed": 42, "is_splits": 1, "pairs_per_class": 16, "data": "0" * 64, "generator": "ema",
}  # fmt: skip
NULLS: dict[str, Any] = {"extractor": "points", "extractor_seed": None, "is_splits": None}
PROTOCOL: dict[str, Any] = {
    "extractor": "classifier", "extractor_seed": 0, "real": "test", "n_fake": 500, "quantise": "uint8", "seed": 42,
    "is_splits": 1, "data": "0" * 64, "generator": "ema", "version": 1, "weights": "1" * 64, "n_real": 500,
    "resize": "none",
    "ms_ssim": {
        "pairs": "within the class that the extractor predicts", "pairs_per_class": 16, "weights": [0.5, 0.5]
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "e1294a2aa70537e6"), ({**NULLS, "quantise": "float", "pairs_per_class": None}, "0fa9a7b5fa71037d")],
)
def test_ids_of_requests_stay_for_ever(changes: dict[str, Any], expected: str) -> None:
    def id_of(**more: int | None) -> str:
        return EvalRequest.from_json({**ASKED, **changes, **more}, "a request").id

    assert id_of() == id_of(a_later_key=None) == expected != id_of(a_later_key=1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ee1e2134f67af50d"),
        (
            {**NULLS, "ms_ssim": {**PROTOCOL["ms_ssim"], "pairs_per_class": None}},
            "75d21dabbc342b68",
        ),
    ],
)
def test_ids_of_protocols_stay_for_ever(changes: dict[str, Any], expected: str) -> None:
    def protocol(**more: int | None) -> EvalProtocol:
        return EvalProtocol.from_json({**PROTOCOL, **changes, **more}, "a protocol")

    assert protocol().id == protocol(a_later_key=None).id == expected != protocol(a_later_key=1).id
    assert differing_keys(protocol(), protocol(a_later_key=None)) == []


@pytest.mark.parametrize("overrides", [[], ["data=ring"]], ids=["digits", "ring"])
def test_a_configuration_frozen_before_a_key_existed_asks_for_the_same(overrides: list[str]) -> None:
    config = make_plan(overrides, multirun=False).runs[0].config
    now = EvalRequest.of(config)
    for key in ("weights_sha256", "ms_ssim_pairs", *NEUTRAL):
        del config["metrics"][key]
    before = EvalRequest.of(config)
    assert now is not None and before is not None and now.id == before.id
    assert differing_keys(now, before) == []
