"""Files of a store as frozen dataclasses: what is read is checked, and what a later version wrote is kept."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from landscape.config.errors import CorruptFile
from landscape.store.run_status import EarlyStop, RunStatus, StopCause

STATUS = {
    "status": "stopped",
    "axes": {"data": "digits", "steps": 12},
    "step": 6,
    "train_s": 0.0,
    "scores": {"step": 6, "protocol": "p", "fid": None},
    "stops": [{"step": 6, "reason": "in some words", "cause": "of a later version", "weight": 3}],
    "stalled": {"in": "training", "for_s": 300, "usual_s": 0.1, "since": 4},
    "mood": {"of": ["a", "later", "version"]},
}


def test_what_a_later_version_wrote_is_kept() -> None:
    status = RunStatus.from_json(STATUS, "status.json")
    assert status.state == "stopped" and status.step == 6 and status.more == {"mood": STATUS["mood"]}
    assert status.stops[0].known_cause is None and status.stalled is not None and status.stalled.doing == "training"
    assert status.to_json() == STATUS
    assert replace(status, state="done").to_json() == {**STATUS, "status": "done"}
    with pytest.raises(FrozenInstanceError):
        status.step = 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "is not a mapping"),
        ({}, "lacks the key status"),
        ({"status": "sleeping"}, "has an invalid value for status"),
        ({"status": "done", "step": None}, "has an invalid value for step"),
        ({"status": "done", "step": -1}, "has an invalid value for step"),
        ({"status": "done", "stops": [{"reason": "no step"}]}, "has an invalid value for stops"),
        ({"status": "done", "stalled": 4}, "has an invalid value for stalled"),
    ],
)
def test_what_is_no_status_is_refused_by_name(value: Any, words: str) -> None:
    with pytest.raises(CorruptFile, match=f"^status.json {words}$"):
        RunStatus.from_json(value, "status.json")


def test_what_could_not_be_read_again_is_not_written() -> None:
    for wrong in (RunStatus(state="sleeping"), RunStatus(state="done", step=-1), EarlyStop(step=-1)):
        with pytest.raises(ValueError, match="has an invalid"):
            wrong.to_json()


def test_a_stop_of_an_old_store_has_its_cause_from_its_sentence_and_is_written_with_it() -> None:
    stop = EarlyStop.from_json({"step": 6, "reason": "pruned by asha at step 6"}, "status.json")
    assert stop.known_cause is StopCause.PRUNED and stop.to_json()["pruner"] == "asha"
