"""What descriptors promise: names, options as they stand in `conf`, and one name for each distance."""

from __future__ import annotations

from typing import Any

import pytest

from landscape.metrics.extractors import EXTRACTORS as MADE
from landscape.scores import (
    COLUMNS,
    DISTANCE,
    DISTANCES,
    EXTRACTORS,
    OPTIONS,
    SCORES,
    columns_of,
    distance_key,
    distance_name,
    distance_of,
)
from landscape.scores.distance import name_of_all
from landscape.store.atomic_io import read_yaml
from landscape.store.old_names import named
from sweeps.planning.config_groups import conf_dir


def test_names_are_unique_and_columns_that_are_shown_have_a_label() -> None:
    assert len(COLUMNS) == sum(len(score.columns) for score in SCORES.values())
    assert len(OPTIONS) == sum(len(score.options) for score in SCORES.values())
    assert all(column.label for score in SCORES.values() for column in score.columns[:1])
    assert all(column.one_minus in (None, *COLUMNS) for column in COLUMNS.values())


def test_each_score_that_cells_can_be_compared_by_has_a_direction() -> None:
    """`report --score` refuses the others: what D does, and how far training images are, are neither good nor bad."""
    shown = [column for column in COLUMNS.values() if column.label and not column.spread]
    assert {column.key for column in shown if column.better is None} == {
        *(key for key in COLUMNS if key.startswith("d_")),
        *("nn_distance", "nn_ratio", "nn_nearer"),
    }
    higher = {"is", "diversity", "modes", "quality", "prd_f8", "prd_f1_8", "latent_rank", "support", "support_low"}
    higher |= {"density", "coverage", "vendi", "class_accuracy"}
    assert {column.key for column in shown if column.better == "higher"} == higher
    assert all(column.better is None for column in COLUMNS.values() if column.spread or column.curve)


def test_a_neutral_value_is_the_default_of_conf_and_in_range() -> None:
    """Protocols from before there was a key mean it, so that it can never change."""
    given = read_yaml(conf_dir() / "metrics" / "diagnostics.yaml")
    assert {name: option.neutral for name, option in OPTIONS.items()} == {name: given[name] for name in OPTIONS}
    assert all(option.range.test(option.neutral) for option in OPTIONS.values())


def test_a_distance_has_its_extractor_in_its_name_but_for_inception() -> None:
    assert set(EXTRACTORS) == set(MADE)
    assert DISTANCES == ("fd_classifier", "fd_dinov2", "fd_imagenet", "fid", "fd_pixels", "fd_points")
    assert [distance_name(one) for one in ("inception", "classifier", None)] == ["FID", "FD (classifier)", "FID"]
    assert distance_name("classifier", "as given") == "FD (classifier, as given)"
    assert distance_name("inception", "of 5 images, too few") == "FID (of 5 images, too few)"


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_a_distance_is_found_under_whichever_name(extractor: str) -> None:
    row = {"step": 3, distance_key(extractor): 2.5, "is": 4.0}
    assert distance_of(row) == 2.5 and name_of_all([row, {}]) == distance_name(extractor)
    assert distance_of({distance_key(extractor): None}) is None
    other = {distance_key(one): 1.0 for one in EXTRACTORS if one != extractor}
    assert name_of_all([row, other]) == "distance"


def test_older_rows_are_renamed() -> None:
    old: dict[str, Any] = {"fid": None, "is": 2.0}
    new = {"fd_classifier": None, "is": 2.0}
    assert named(old, "classifier") == new and list(named(old, "classifier")) == list(new)
    assert named(old, "inception") == old and named(new, "classifier") == new


def test_a_table_has_the_columns_that_its_rows_have_and_a_value_is_written_as_its_column_says() -> None:
    row = {"step": 3, "fd_classifier": 2815.4, "ms_ssim": 0.2, "is_std": 0.1, "mrlt": [1.0]}
    found = columns_of([row, {"kid": None}])
    assert [head for head, _ in found] == ["FD (classifier)", "KID", "MS-SSIM"]
    values = [column.of(row) for _, column in found]
    texts = [None if value is None else column.text(value) for (_, column), value in zip(found, values, strict=True)]
    assert texts == ["2,815", None, "0.200"] and DISTANCE.text(28.154) == "28.15" and DISTANCE.text(3e9) == "3e+09"
    assert columns_of([]) == []
