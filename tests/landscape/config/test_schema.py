"""What the schema says of each key: a line of help, and a range that its checks read."""

from __future__ import annotations

import math

import pytest

from landscape.config.errors import UserError
from landscape.config.identity import flatten
from landscape.config.keys import keys
from landscape.config.validation import check_ranges
from sweeps.planning.config_groups import choose, groups, merge


def test_every_key_has_a_line_of_help() -> None:
    known = keys()
    assert {"loss.kind", "seed", "stage", "search.space.lr.low", "metrics.scores"} <= set(known)
    wrong = [name for name, key in known.items() if not 5 < len(key.help) <= 115 or "\n" in key.help]
    assert wrong == []


def test_the_keys_of_the_schema_are_those_of_conf() -> None:
    composed = set(flatten(merge(choose({}))))
    assert {name for name in composed if not name.startswith("hydra.")} == set(keys())


@pytest.mark.parametrize("group", [group for group in groups() if group not in ("study", "preset")])
def test_what_conf_sets_is_in_range(group: str) -> None:
    for choice in groups()[group]:
        flat = flatten(merge(choose({group: choice})))
        check_ranges({key: value for key, value in flat.items() if "${" not in str(value) and value != "???"})


@pytest.mark.parametrize("key", [name for name, key in keys().items() if "float" in key.type or "int" in key.type])
def test_a_number_that_is_none_is_in_no_range(key: str) -> None:
    if keys()[key].range is None:
        assert key in ("preset.fid", "max_points"), f"{key} has no range"
        return
    with pytest.raises(UserError, match=f"{key}=.* is out of range; legal: "):
        check_ranges({key: math.nan})
