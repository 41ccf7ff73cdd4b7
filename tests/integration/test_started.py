"""What tests of processes stand on: they end by themselves, or with their test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import started
from started import marked, unmarked
from support import ROOT, hear

from landscape.store.processes import process_start

SLEEP = "import time; time.sleep(600)"


def saying(words: str) -> subprocess.Popen[str]:
    program = f"print({words!r}, flush=True); {SLEEP}"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_a_process_that_never_says_it_is_killed_and_one_that_does_goes_on() -> None:
    with saying("good day") as process:
        hear(process, process.stdout, "good day")
        assert process.poll() is None
        with pytest.raises(AssertionError, match=r"never said 'good night', but: $"):
            hear(process, process.stdout, "good night", seconds=0.1)
        assert process.wait(timeout=300) == -signal.SIGKILL


ORPHAN = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {SLEEP!r}], stdout=subprocess.DEVNULL, start_new_session=True).pid)
"""


def test_what_was_started_is_ended_in_whatever_session_and_whoever_its_parent_is() -> None:
    with saying("before") as before:
        hear(before, before.stdout, "before")
        with marked() as processes:
            orphan = int(subprocess.run([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, check=True).stdout)
            stopped = saying("stopped")
            hear(stopped, stopped.stdout, "stopped")
            stopped.send_signal(signal.SIGSTOP)
            shared = subprocess.Popen([sys.executable, "-c", SLEEP], env=unmarked())
        assert {orphan, stopped.pid} <= processes.living().keys()
        processes.end()
        assert process_start(orphan) is None and stopped.returncode == shared.returncode == -signal.SIGKILL
        assert stopped.stdout is not None and stopped.stdout.closed
        assert before.poll() is None
        before.kill()


LEAVING = f"""
import subprocess, sys
import started
started.PATIENCE_S = 1.0
leave = lambda: subprocess.Popen([sys.executable, "-c", {SLEEP!r}], stdout=subprocess.PIPE)
def test_that_fails():
    child = leave()
    assert False, f"pid={{child.pid}}."
def test_that_leaves():
    global child  # else Python itself would complain
    child = leave()
    print(f"pid={{child.pid}}.")
def test_that_is_clean():
    with leave() as child:
        child.kill()
"""


@pytest.mark.slow
def test_a_test_that_leaves_processes_fails_and_none_outlives_it(tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    path = os.pathsep.join([str(ROOT / "tests"), str(Path(started.__file__).parent), *sys.path])
    arguments = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rA", str(tmp_path)]
    done = subprocess.run(
        arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert "1 failed, 2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("the test left processes behind") >= 1
    pids = {int(pid) for pid in re.findall(r"pid=(\d+)\.", done.stdout)}
    assert len(pids) == 2 and not any(process_start(pid) for pid in pids)
