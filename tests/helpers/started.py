"""Processes that a test starts end with it.

Those that a failed test leaves are killed. A test that passes leaves none: what outlives it is killed, and fails it.
They are told by a variable that they inherit, whatever session, group or parent they have come to; where there is no
/proc, only this process's own children are known.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from landscape.store.processes import command, process_start

MARK = "STARTED_BY_TEST"
NUMBERS = itertools.count()
PATIENCE_S = 60.0  # for what is about to end


def unmarked() -> dict[str, str]:
    """The environment of what a test may start and many tests share: the services of a session."""
    return {name: value for name, value in os.environ.items() if name != MARK}


class Started:
    """The processes that were started since, by this process or by one of them."""

    def __init__(self) -> None:
        self.mark = f"{os.getpid()}.{next(NUMBERS)}"
        self.children: weakref.WeakSet[subprocess.Popen[Any]] = weakref.WeakSet()

    def living(self) -> dict[int, str]:
        """Those that live, with their commands."""
        pids = {child.pid for child in self.children if child.returncode is None} | self._marked()
        return {pid: " ".join(command(pid)) for pid in pids if process_start(pid) is not None and not _is_shared(pid)}

    def _marked(self) -> set[int]:
        wanted, found = f"{MARK}={self.mark}".encode(), set()
        for file in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it has ended, or is somebody else's
                if wanted in file.read_bytes().split(b"\0"):
                    found.add(int(file.parent.name))
        return found

    def left(self) -> dict[int, str]:
        """Those that do not end by themselves."""
        deadline = time.monotonic() + PATIENCE_S
        while (living := self.living()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return living

    def end(self) -> None:
        """Kill all that live and reap this process's own, so that nothing of them disturbs a later test."""
        deadline = time.monotonic() + PATIENCE_S
        while living := self.living():  # again, for one may have started another meanwhile
            assert time.monotonic() < deadline, f"cannot be killed: {living}"
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        for child in list(self.children):
            child.wait()
            for stream in filter(None, (child.stdin, child.stdout, child.stderr)):
                with suppress(OSError):  # what it holds back cannot be written any more
                    stream.close()


def _is_shared(pid: int) -> bool:
    """Whether a process is one of Python's own that lives as long as this one: of multiprocessing, or joblib's."""
    said = " ".join(command(pid))
    return "resource_tracker import main" in said or "multiprocessing.forkserver import main" in said


@contextmanager
def marked() -> Iterator[Started]:
    """Mark and note the processes that are started meanwhile."""
    started = Started()
    begin = subprocess.Popen.__init__

    def noted(child: subprocess.Popen[Any], *given: Any, **named: Any) -> None:
        begin(child, *given, **named)
        started.children.add(child)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, started.mark)
        patch.setattr(subprocess.Popen, "__init__", noted)
        yield started
