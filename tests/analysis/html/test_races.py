"""A race on the page: its answer, its cost, who left when, its evidence; and what the terminal says of it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from raced import NAME, raced

from analysis.html.races import race_sections
from analysis.loading.races import looks_frame, pairs_frame, read_races
from analysis.loading.runs import collect
from analysis.report import main, make_report
from landscape.config.text import duration
from landscape.store import Store
from landscape.store.races import Asked, Race
from sweeps.__main__ import VERBS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Race, Path]:
    root = tmp_path_factory.mktemp("race")
    store = Store(root / "store")
    race = raced(store, Asked(1, 0.05, 480))
    make_report(store, root / "out")
    return store, race, root / "out"


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_page_tells_the_race(made) -> None:
    _, race, out = made
    claim, page = race.claim, (out / "index.html").read_text()
    section = page[page.index(f'<section id="{NAME}">') :]
    told = text_of(section[: section.index("</section>")])
    assert "nan" not in told.lower() and "None" not in told and "left in round" in told
    assert claim.sentence in told and claim.kind == "calibrated" and "Calibrated : the error was set" in told
    assert f"The race counted {claim.spent} runs and {duration(1800 * claim.spent)} of computing" in told
    assert f"A full grid of 120 runs a cell is 480 runs and about {duration(1800 * 480)}:" in told
    assert f"the race took {claim.spent / 480:.0%} of the runs and {claim.spent / 480:.0%} of the hours" in told
    assert "Asked: the best cell for one model, within 480 runs; error at most 5 %." in told
    for one in claim.out:
        assert f"{one.round} {race.names[one.by]} is better ({one.kind})" in told
    assert f'href="#{NAME}"' in page, "the head links it"
    fixed = text_of(page[page.index("Comparison of cells") :])
    assert "Do not peek: these claims are for a number of runs that was fixed beforehand" in fixed
    assert "The runs of a race on this page were looked at" in fixed


def test_its_figures_and_tables_are_there(made) -> None:
    _, race, out = made
    for kind in ("course", "evidence"):
        for suffix in (".png", ".svg", ".pdf"):
            assert (out / f"figures/{NAME}-{kind}{suffix}").stat().st_size > 1000
    with (out / f"tables/{NAME}-looks.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert sorted({int(row["round"]) for row in rows}) == list(range(1, race.claim.rounds + 1))
    with (out / f"tables/{NAME}-evidence.csv").open() as f:
        strongest = max(csv.DictReader(f), key=lambda row: float(row["evidence"]))
    passes = "certified" if float(strongest["evidence"]) >= race.claim.bars.certified else "calibrated"
    assert strongest["passes"] == passes and strongest["a"] == race.names[0]


def test_frames_hold_who_was_left_and_the_most_evidence(made) -> None:
    _, race, _ = made
    looks, pairs = looks_frame(race), pairs_frame(race)
    for one in race.claim.out:
        assert looks.loc[looks["cell"] == one.cell, "round"].max() == one.round
        against = pairs[(pairs["a"] == one.by) & (pairs["b"] == one.cell)]
        assert float(against["evidence"].max()) >= race.claim.bars.out - 1e-3
    assert looks.groupby("round")["runs"].first().is_monotonic_increasing
    assert looks["hours"].max() == pytest.approx(race.claim.spent / 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(1, 0.05, 480, order=True), "its place is known"),
        (Asked(3, 0.05, 480, top=2), "among the best 2"),
        (Asked(1, 0.05, 80), "left"),
        (Asked(1, 0.05, 480, by_cost=True), "(certified)"),
        (Asked(1, 0.05, 480, matched=True), "(certified)"),
    ],
)
def test_other_questions_and_races_that_end_undecided(tmp_path: Path, asked, said) -> None:
    store = Store(tmp_path / "store")
    race = raced(store, asked)
    assert main([f"store={store.root}", "--out", str(tmp_path / "out")]) == 0
    told = text_of((tmp_path / "out/index.html").read_text())
    assert race.claim.sentence in told and said in told and race.asked.words in told
    if race.claim.state == "budget":
        assert "is within a factor" in told and "Nothing is claimed of the question as a whole" in told


def test_a_filtered_page_has_no_race_and_a_spoilt_record_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    raced(store, Asked(1, 0.05, 480), rounds=2)
    found = collect(store)
    assert list(found.races) == [NAME]
    found.filters = ("loss=ns",)
    assert race_sections(found, None) == []  # type: ignore[arg-type]
    store.sweep(NAME).race_file.write_text('{"cells": 3}')
    problems: list[str] = []
    assert read_races(store, problems) == {} and "race.json" in problems[0]


@pytest.mark.parametrize("verb", ["status", "watch"])
def test_the_terminal_shows_the_race_as_a_table(made, capsys, monkeypatch, verb) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no line is wrapped
    store, race, _ = made
    assert VERBS[verb]([NAME, f"store={store.root}"]) == 0
    out = capsys.readouterr().out
    assert race.claim.sentence in out
    for one in race.claim.out:
        assert f"out in round {one.round}: {race.names[one.by]} is better ({one.kind})" in out
