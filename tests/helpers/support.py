"""What tests share: a configuration that trains in under a second, and planning it into a store."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import IO

import landscape.sweep
from landscape.store import RunFolder, Store
from sweeps.planning.config_groups import groups, read_choice
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import make_plan

ROOT = Path(__file__).parents[2]  # of the checkout
TINY = ("train.steps=12", "train.batch_size=16", "arch.width=0.04", "metrics.every=6", "metrics.n_fake=64")

# Tests of what a version of Python is likeliest to break: databases, files, arguments, configurations, tables, the
# package itself; no numbers of training. They have the mark `versions`, and CI runs them with the largest Python too.
VERSIONS = (
    *("analysis/loading", "landscape/config", "landscape/data", "landscape/store", "sweeps/planning", "sweeps/search"),
    *("integration/test_walls.py", "integration/test_wheel.py", "sweeps/cli/test_status.py"),
)

PATIENCE_S = 300.0  # the end of any wait: long, for a machine may be busy, and what has ended is never waited for


def frozen_runs(store: Store, *overrides: str) -> list[RunFolder]:
    """Plan and freeze a command into `store`; its runs, in order."""
    plan = make_plan([*overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    freeze(plan)
    return [store.run(planned.id) for planned in plan.runs]


def command(*arguments: str, cwd: Path | None = None) -> list[str]:
    return [sys.executable, "-m", "landscape.sweep", *arguments]


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Raise `AssertionError` unless `condition` holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def hear(process: subprocess.Popen[str], stream: IO[str] | None, words: str, seconds: float = PATIENCE_S) -> None:
    """Read a process's output up to the line with these words; where they do not come, it is killed and this fails."""
    assert stream is not None
    lines: list[str] = []

    def read() -> None:
        for line in stream:
            lines.append(line)
            if words in line:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(seconds)
    if not any(words in line for line in lines):
        process.kill()
        raise AssertionError(f"never said {words!r}, but: {''.join(lines)}")


def call(
    main: Callable[[Sequence[str]], int], *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in this process: its exit code, and what it prints and logs."""
    with (
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
        nullcontext() if cwd is None else chdir(cwd),
    ):
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def sweep(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The user's own command in this process; its workers are processes as ever."""
    return call(landscape.sweep.main, *arguments, cwd=cwd)


@cache
def kinds(group: str, key: str) -> frozenset[str]:
    """The legal values of the key that names a function, such as loss.kind: those that some choice sets."""
    found = set()
    for choice in groups()[group]:
        content = read_choice(group, choice)
        value = content.get(group, content).get(key)
        if value is not None:
            found.add(value)
    return frozenset(found)
