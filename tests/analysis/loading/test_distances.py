"""A file of runs names each distance by its extractor, and reads back as the frame that it was."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.loading.csv_runs import read_csv
from analysis.loading.distances import to_file_columns
from analysis.loading.protocols import distance_label
from landscape.store.protocols import EvalProtocol

RUNS = pd.DataFrame(
    {
        "data": "digits",
        "arch": "sndcgan",
        "loss": ["ns", "ls", "wgan", "hinge"],
        "penalty": "none",
        "norm": "none",
        "protocol": ["a", "b", "a", None],
        "fid": [3.0, 30.0, 4.0, None],
        "fid_best": [2.0, 20.0, 3.5, None],
    }
)
TEXTS = {"a": EvalProtocol(extractor="classifier"), "b": EvalProtocol(extractor="inception")}


def test_each_distance_has_columns_of_its_own() -> None:
    file = to_file_columns(RUNS, RUNS["protocol"], TEXTS)
    assert list(file.columns[6:]) == ["fd_classifier", "fid", "fd_classifier_best", "fid_best"]
    assert file["fd_classifier"].dropna().tolist() == [3.0, 4.0] and file["fid"].dropna().tolist() == [30.0]
    alone = RUNS[RUNS["protocol"] != "b"]
    assert "fid" not in to_file_columns(alone, alone["protocol"], TEXTS)
    nothing = RUNS.assign(protocol=None)
    assert list(to_file_columns(nothing, nothing["protocol"], {}).columns) == list(RUNS.columns)


def test_a_file_with_both_is_read_as_the_frame_it_was(tmp_path: Path) -> None:
    to_file_columns(RUNS, RUNS["protocol"], TEXTS).to_csv(tmp_path / "runs.csv", index=False)
    found = read_csv(tmp_path / "runs.csv")
    pd.testing.assert_frame_equal(found.runs[["fid", "fid_best"]], RUNS[["fid", "fid_best"]])
    assert distance_label(found.protocols["a"]) == "FD (classifier, as given)"
    assert distance_label(found.protocols["b"]) == "FID (as given)"


def test_an_older_file_has_the_distance_as_given(tmp_path: Path) -> None:
    RUNS.drop(columns="protocol").to_csv(tmp_path / "runs.csv", index=False)
    found = read_csv(tmp_path / "runs.csv")
    assert found.runs["fid"].dropna().tolist() == [3.0, 30.0, 4.0]
    assert distance_label(found.protocols["as-given"]) == "FID (as given)"
