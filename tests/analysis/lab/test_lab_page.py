"""The command of the laboratory: its page opens offline, says what is off, and stays out of other folders."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import add_run, config

import analysis.lab.__main__ as cli
from analysis.lab import PANELS, Check
from analysis.report import make_report
from landscape.store import Store


def test_the_page_has_each_panel_with_its_checks_and_opens_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--out", str(tmp_path), "--only", "saddle", "clipping"]) == 0
    out, page = capsys.readouterr().out, (tmp_path / "index.html").read_text()
    assert "2 panels, 8 of 8 checks hold" in out and "8 of 8 checks hold" in page
    assert "http" not in page and PANELS["saddle"].title in page and "costs.png" not in page
    assert re.search(r'<td class="number">61</td><td class="number">2.4e-15</td><td class="number">1e-12</td>', page)
    for link in set(re.findall(r'(?:href|src)="([^"#][^"]*)"', page)) - {"data:,"}:
        assert (tmp_path / link).is_file(), link
    assert cli.main(["--out", str(tmp_path), "--only", "saddle"]) == 0  # its own page is written again
    assert "1 panels" not in page


def test_a_check_that_does_not_hold_is_said_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    off = replace(PANELS["saddle"], checks=lambda _: [Check("one and two", 1, 2, 0.5)])
    monkeypatch.setitem(PANELS, "saddle", off)
    assert cli.main(["--out", str(tmp_path), "--only", "saddle"]) == 1
    assert "OFF saddle: one and two: 1 (tolerance 0.5)" in capsys.readouterr().out
    assert "1 check does not hold" in (tmp_path / "index.html").read_text()


def test_an_unknown_panel_is_refused_with_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--out", str(tmp_path / "new"), "--only", "sadle"]) == 2
    said = capsys.readouterr().err
    assert "unknown panel 'sadle'" in said and "saddle" in said and "reinforce" in said
    assert not (tmp_path / "new").exists()


def test_somebody_elses_page_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert cli.main(["--out", str(tmp_path), "--only", "saddle"]) == 2
    assert "not written by this program" in capsys.readouterr().err and (tmp_path / "index.html").read_text() == "mine"
    assert not (tmp_path / "saddle.png").exists()


def test_the_report_links_to_the_laboratory_where_there_is_one(tmp_path: Path) -> None:
    store, out = Store(tmp_path / "store"), tmp_path / "report"
    add_run(store, [100.0, 10.0], config())
    (out / "lab").mkdir(parents=True)
    (out / "lab" / "index.html").touch()
    make_report(store, out)
    page = (out / "index.html").read_text()
    assert 'href="lab/index.html"' in page and "dirac" not in page
