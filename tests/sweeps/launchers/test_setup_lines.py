"""Shell lines that a file of the store holds are shown before they run for somebody who did not write them."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from support import TINY

from landscape.config.errors import CorruptFile
from landscape.runtime.worker import work
from landscape.store import Store, SweepFolder
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.errors import run_command
from sweeps.launchers import setup_lines

GRID = ("-m", "seed=0,1", *TINY, "launcher=slurm")
SETUP = "launcher.setup=['module load cuda']"
LINE = "module load cuda"


@pytest.fixture
def sweep(store: Store, site: FakeSlurm) -> SweepFolder:
    """Submitted with a line of setup, by this user; its jobs were lost."""
    before = os.umask(0o002)  # as in groups that share files
    try:
        assert main([*GRID, SETUP, f"store={store.root}"]) == 0
    finally:
        os.umask(before)
    site.drop()
    (folder,) = store.sweep_folders()
    return folder


def verb(name: str, store: Store, *arguments: str) -> int:
    """As `python -m sweeps` calls it."""
    return run_command(lambda: VERBS[name]([*arguments, f"store={store.root}"]))


def by_anybody(file: Path) -> None:
    file.chmod(0o666)


def by_a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere.json"))
    file.symlink_to("elsewhere.json")


def by_another(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(file, 12345, -1)


DOUBTS = {one.__name__: one for one in (by_anybody, by_a_link, by_another)}


def test_who_planned_them_is_not_asked(sweep: SweepFolder, store: Store, site: FakeSlurm) -> None:
    assert stat.S_IMODE(sweep.jobs_file.stat().st_mode) == 0o644 == stat.S_IMODE(sweep.plan_file.stat().st_mode)
    assert verb("submit", store) == 0
    (job,) = site.queue()
    assert LINE in site.script(job)


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize("name", ["submit", "retry"])
def test_lines_that_another_may_have_written_are_refused_without_a_terminal(
    name: str, doubt: str, sweep: SweepFolder, store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    DOUBTS[doubt](sweep.jobs_file)
    for run in store.run_folders():
        run.write_status(replace(run.status(), state="preempted"))
    capsys.readouterr()
    assert verb(name, store) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and LINE in error and "--accept-setup" in error and "jobs.json" in error
    assert site.queue() == {}
    assert verb(name, store, "--accept-setup") == 0
    assert len(site.queue()) == 1


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_in_a_terminal_they_are_shown_and_asked_for(
    answer: str,
    code: int,
    sweep: SweepFolder,
    store: Store,
    site: FakeSlurm,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_anybody(sweep.jobs_file)
    monkeypatch.setattr(setup_lines, "in_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    capsys.readouterr()
    assert verb("submit", store) == code
    assert f"  {LINE}\n" in capsys.readouterr().err and len(site.queue()) == (code == 0)


def test_options_of_sbatch_are_asked_for_too(store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GRID, "launcher.extra=['--container=/tmp/image']", f"store={store.root}"]) == 0
    site.drop()
    by_anybody(store.sweep_folders()[0].jobs_file)
    capsys.readouterr()
    assert verb("submit", store) == 2
    assert "--container=/tmp/image" in capsys.readouterr().err and site.queue() == {}
    assert verb("submit", store, "--accept-setup") == 0 and len(site.queue()) == 1


def test_no_line_no_question(store: Store, site: FakeSlurm) -> None:
    assert main([*GRID, f"store={store.root}"]) == 0
    site.drop()
    by_anybody(store.sweep_folders()[0].jobs_file)
    assert verb("submit", store) == 0


@pytest.mark.parametrize(
    "words", [[SETUP], ["launcher.classes=[{when:{seed:1},setup:['module load cuda']}]"]], ids=["setup", "classes"]
)
@pytest.mark.slow
def test_a_command_that_is_given_again_is_asked_for_too(
    words: list[str], store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    """`confirm` reads it of plan.json, whose launcher is what its command says."""
    assert main([*GRID, *words, f"store={store.root}"]) == 0
    (folder,) = store.sweep_folders()
    site.drop()
    for run in store.run_folders():
        assert work(store, run.id, lambda text: None) == "done"
    by_anybody(folder.plan_file)
    capsys.readouterr()
    more = (folder.name, "confirm.seeds=2", "confirm.top=1")
    assert verb("confirm", store, *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and LINE in error and "plan.json" in error and site.queue() == {}
    assert verb("confirm", store, *more, "--accept-setup") == 0 and len(site.queue()) > 0


def test_a_local_retry_whose_command_says_slurm_is_asked_for(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweeps.cli import resubmit

    assert main([*GRID, SETUP, f"store={store.root}"]) == 0
    site.drop()
    (folder,) = store.sweep_folders()
    forged = replace(folder.plan(), launcher={"kind": "local"})
    folder.plan_file.write_text(json.dumps(forged.to_json()))
    by_anybody(folder.plan_file)
    monkeypatch.setattr(resubmit, "reopen", lambda store, folder: 1)
    capsys.readouterr()
    assert verb("retry", store) == 2
    assert LINE in capsys.readouterr().err and site.queue() == {}


@pytest.mark.parametrize("key", ["partition", "account", "qos", "constraint", "extra"])
def test_a_line_break_in_an_option_is_refused(
    key: str, store: Store, site: FakeSlurm, sweep: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would begin a line of the script: from a command, and from a forged record."""
    text = "--reservation=a\ntouch b" if key == "extra" else "a\ntouch b"
    value = f"['{text}']" if key == "extra" else f"'{text}'"
    capsys.readouterr()
    assert main(["-q", *GRID, "seed=7", f"launcher.{key}={value}", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"launcher.{key}" in error and "one line" in error
    record = sweep.jobs().to_json()
    record["classes"][0]["resources"][key] = [text] if key == "extra" else text
    sweep.jobs_file.write_text(json.dumps(record))
    with pytest.raises(CorruptFile):
        sweep.jobs()
    assert site.queue() == {}
