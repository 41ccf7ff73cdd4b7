"""`python -m sweeps logs RUN`: what a run's worker printed, and the scheduler's log of its job."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from typing import BinaryIO

from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.text import printable
from landscape.store import RunFolder, Store
from landscape.store.atomic_io import open_regular
from landscape.store.lookup import find_run
from sweeps.cli import arguments
from sweeps.launchers.registry import job_logs, query_schedulers
from sweeps.monitor import StoreMonitor

logger = logging.getLogger(__name__)

POLL_S = 0.5
MAX_READ = 16 << 20  # bytes of a log read at a time
ALIVE_S = 5.0  # between two checks whether the run still has a worker


def last_lines(file: BinaryIO, count: int) -> tuple[list[str], int]:
    """The last `count` lines of an open file, and its size in bytes; reads only its end."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(max(0, size - min(400 * count, MAX_READ)))
    text = file.read(size - begin).decode(errors="replace")
    lines = deque(text.splitlines(), maxlen=count)
    return list(lines), size


def logs(argv: list[str]) -> int:
    """Print the last lines of a run's log, and of the scheduler's log of its newest job if there is one."""
    given = arguments.logs().parse(argv)
    if given.lines < 1:
        raise UserError(f"--lines {given.lines} is out of range; legal: 1 or more")
    store = Store(given.store)
    run = find_run(store, given.run)
    try:
        jobs = job_logs(store, run.id)
    except CorruptFile as e:
        jobs = []
        logger.warning(e)
    for log in jobs[-1:]:
        print(f"== job {log.stem}: {log}")
        try:
            with open_regular(log, (store.root, store.sweeps)) as f:
                print(printable("\n".join(last_lines(f, given.lines)[0])))
        except (CorruptFile, FileNotFoundError) as e:
            logger.warning(e)
    print(f"== run {run.id}: {run.log_file}")
    try:
        with run.open_log() as f:
            lines, position = last_lines(f, given.lines)
    except FileNotFoundError:
        lines, position = [], 0
        state = StoreMonitor(store, ids=[run.id], query=query_schedulers).snapshot().states
        print(f"no log yet: the run is {next(iter(state), 'unreadable')}")
    for line in lines:
        print(printable(line))
    if given.follow:
        follow(store, run, position)
    return ExitCode.DONE


def follow(store: Store, run: RunFolder, position: int) -> None:
    """Print what is added to a run's log after byte `position`, until it has no worker or Ctrl-C."""
    monitor, next_snapshot, ending = StoreMonitor(store, ids=[run.id], query=query_schedulers), 0.0, False
    try:
        while True:
            try:
                with run.open_log() as f:
                    f.seek(position)
                    added = f.read(MAX_READ)
            except FileNotFoundError:
                added = b""
            position += len(added)
            sys.stdout.write(printable(added.decode(errors="replace")))
            sys.stdout.flush()
            if ending and not added:
                return
            if time.monotonic() >= next_snapshot:
                ending = not monitor.snapshot().alive
                next_snapshot = time.monotonic() + ALIVE_S
            if not ending:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
