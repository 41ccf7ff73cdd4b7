"""A real race on this machine: its command killed twice on the way, to the answer, the confirmation and the page."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support import TINY, call, wait_for

import sweeps.__main__
from analysis.report import make_report
from landscape.store import DONE, Store


@pytest.mark.slow
def test_a_real_race_is_killed_twice_and_comes_to_the_page(store: Store, tmp_path: Path) -> None:
    grid = ("-m", "loss=ns,wgan", *TINY, f"store={store.root}", "launcher.jobs=2")
    line = [sys.executable, "-m", "sweeps", "race", *grid, "--budget", "20"]

    def done() -> int:
        return sum(run.status().state == DONE for run in store.run_folders())

    def far(process: subprocess.Popen[bytes], least: int) -> bool:
        return done() >= least or process.poll() is not None

    for least in (1, 12):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(partial(far, process, least))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert done() >= least
    ended = subprocess.run(line, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    folder = store.sweep_folders()[0]
    race = folder.race()
    assert race.claim is not None and race.claim.sentence in ended.stdout and "20 runs of 20" in race.claim.sentence
    assert len({ticket.run for ticket in race.tickets}) == 20 and all(ticket.hours for ticket in race.tickets)
    assert make_report(store, tmp_path / "report") == []
    assert race.claim.sentence in (tmp_path / "report/index.html").read_text()
    left = 1 if race.claim.winner is not None else 2 - len(race.claim.out)
    again = call(sweeps.__main__.main, "confirm", folder.name, f"store={store.root}", "confirm.seeds=1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("chosen at") == left and "(10 runs), fresh seeds" in again.stdout
