"""Every panel of the laboratory: its simulation lies on its formula, at the tolerance that the page claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from analysis.lab import PANELS, Check
from analysis.lab.registry import MODULES

HELPERS = {"__init__", "__main__", "panel", "registry", "adam", "small_vae"}


@pytest.mark.parametrize("key", [pytest.param(key, marks=pytest.mark.slow if key == "blur" else ()) for key in PANELS])
def test_the_simulation_lies_on_the_formula(key: str) -> None:
    panel = PANELS[key]
    found = panel.checks(panel.simulate())
    assert found and [(check.what, check.deviation) for check in found if not check.holds] == []


def test_every_module_is_a_panel_with_its_own_key_and_words() -> None:
    files = {file.stem for file in Path(ROOT / "analysis" / "lab").glob("*.py")} - HELPERS
    assert files == {module.__name__.rpartition(".")[2] for module in MODULES} == set(PANELS)
    for panel in PANELS.values():
        assert panel.title and panel.formula and panel.says.endswith(".") and panel.source


def test_a_check_is_of_the_largest_difference_and_no_nan_holds() -> None:
    assert Check("", [1.0, 2.0], [1.0, 2.5], 0.4).deviation == 0.5
    assert not Check("", [1.0, 2.0], [1.0, 2.5], 0.4).holds and Check("", [1.0, 2.0], [1.0, 2.5], 0.5).holds
    assert Check("", [np.inf], [np.inf], 0).holds and not Check("", [np.inf], [1.0], 5).holds
    assert not Check("", [np.nan], [0.0], 5).holds
