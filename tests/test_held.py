"""What tests of processes stand on: they end by themselves, and leave nobody behind that was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import held
import pytest
from support import hear

from landscape.processes import process_start


def saying(words: str) -> subprocess.Popen[str]:
    program = f"import time; print({words!r}, flush=True); time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_a_process_that_never_says_it_is_killed_and_one_that_does_goes_on() -> None:
    with saying("good day") as process:
        hear(process, process.stdout, "good day")
        assert process.poll() is None
        with pytest.raises(AssertionError, match=r"never said 'good night', but: $"):
            hear(process, process.stdout, "good night", seconds=0.1)
        assert process.wait(timeout=60) == -signal.SIGKILL


def test_a_worker_that_a_test_stopped_is_killed_at_its_end() -> None:
    with saying("a") as stopped, saying("b") as other:
        try:
            started = process_start(stopped.pid)
            assert started is not None
            os.kill(stopped.pid, signal.SIGSTOP)
            held.STOPPED.update({(stopped.pid, started), (other.pid, "of an earlier process with this id")})
            held.kill_what_is_left()
            assert stopped.wait(timeout=60) == -signal.SIGKILL and other.poll() is None and not held.STOPPED
        finally:
            stopped.kill()
            other.kill()
