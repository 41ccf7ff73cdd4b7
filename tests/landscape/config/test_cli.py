"""The one parser, what is logged and where, and the exit codes."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from landscape.config import log
from landscape.config.cli import ANY, Deprecated, Parser, default, quoted, run_cli, unquoted
from landscape.config.errors import EarlyExit, ExitCode
from landscape.config.log import run_log
from sweeps.planning.config_groups import primary

logger = logging.getLogger("landscape.test")


def parser(keys: str | tuple[str, ...] = ("store",)) -> Parser:
    made = Parser(
        "python -m it",
        "What it is.",
        keys,
        [Deprecated("--store", "store="), Deprecated("n=", "--n"), Deprecated("run=", "")],
    )
    made.positional("run", "runs", "*")
    made.add_argument("--n", type=int, default=1)
    made.add_argument("--where", action="append", default=[])
    return made


def test_words_flags_and_keys_may_stand_in_any_order() -> None:
    given = parser().parse(["a", "store=x y", "--n", "3", "b", "--where", "store=z"])
    assert (given.run, given.store, given.n, given.where) == (["a", "b"], "x y", 3, ["store=z"])
    every = parser(ANY).parse(["+a.b=1", "--where", "c=2", "~d=3", "r", "store='o\\'s'"])
    assert every.overrides == ["+a.b=1", "~d=3", "store='o\\'s'"] and every.run == ["r"] and every.store == "o's"


def test_the_default_store_is_the_one_of_conf() -> None:
    assert parser().parse([]).store == default("store") == primary()[1]["store",]


@pytest.mark.parametrize("text", ["plain", "it's", "a\\'b", 'c=d "e"', "back\\"])
def test_what_is_quoted_for_hydra_comes_back(text: str) -> None:
    assert unquoted(quoted(text)) == text


def test_an_old_form_works_and_is_told_of_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    given = parser().parse(["--store", "x", "n=3", "run=a,b"])
    assert (given.store, given.n, given.run) == ("x", 3, ["a", "b"])
    assert capsys.readouterr().err.splitlines() == [
        "--store VALUE is deprecated and will be removed in 0.3; write store=VALUE",
        "n=VALUE is deprecated and will be removed in 0.3; write --n VALUE",
        "run=VALUE is deprecated and will be removed in 0.3; write VALUE",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--hwere", "x"], "--hwere is not a flag of this program (did you mean --where?); see --help"),
        (["--"], "-- is not a flag of this program; see --help"),
        (["--n", "many"], "--n: invalid int value: 'many'; see --help"),
        (["store="], "store= needs a folder"),
        (["--store"], "--store needs a value"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence_and_2(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(lambda: parser().parse(argv).n) == ExitCode.USER
    assert capsys.readouterr() == ("", f"{said}\n")


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["--n", "2", "--version"]):
        with pytest.raises(EarlyExit):
            parser().parse(argv)
        assert capsys.readouterr().out
        assert run_cli(lambda argv=argv: parser().parse(argv).n) == ExitCode.DONE  # type: ignore[misc]


@pytest.mark.parametrize(
    ("flags", "seen"), [([], ["news", "care"]), (["-q"], ["care"]), (["-v"], ["details", "news", "care"])]
)
def test_how_much_is_logged_and_results_are_no_part_of_it(
    flags: list[str], seen: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(log.VARIABLE, "")

    def work() -> None:
        parser().parse(flags)
        print("result")
        logger.debug("details"), logger.info("news"), logger.warning("care")
        assert run_cli(lambda: logger.info("news")) == 0  # a command within it is as quiet

    assert run_cli(work) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "result\n" and [line.split(" ")[-1] for line in lines] == [*seen, *["news"] * ("news" in seen)]
    assert all(
        bool(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]+ ", line)) == (flags == ["-v"]) for line in lines
    )
    assert (flags == ["-v"]) == (log.os.environ[log.VARIABLE] == "debug")  # what it starts is as verbose


def test_a_line_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    logger.info("a\x1b[2Jb\nc")
    assert capsys.readouterr().err == "a\\x1b[2Jb\nc\n"


@pytest.mark.parametrize("shown", [True, False])
def test_a_runs_lines_are_in_its_log(shown: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.txt").write_text("before\n")
    with run_log(tmp_path / "log.txt", shown) as say:
        say("step 3")
    assert (tmp_path / "log.txt").read_text() == "before\nstep 3\n"
    assert capsys.readouterr().err == "step 3\n" * shown


def test_no_line_breaks_a_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written above the display, which is then drawn again, whole."""
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    console = Console(file=terminal, force_terminal=True, width=40, color_system=None)
    with Live(Text("the table"), console=console, auto_refresh=False) as live:
        live.refresh()
        logger.info("a line")
    drawn = [part.strip("\r\n ") for part in re.split(r"\x1b\[[\d?;]*[A-Za-z]", terminal.getvalue())]
    assert "a line\nthe table" in [part.replace("\r", "") for part in drawn] and drawn.count("a line") == 0
