"""`python -m sweeps logs RUN`: what a run's worker printed, and the scheduler's own log of its job."""

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
from sweeps.launchers.registry import ask, job_logs
from sweeps.monitor import Looker

logger = logging.getLogger(__name__)

POLL_S = 0.5
MOST = 16 << 20  # bytes of a log that are read at a time
LOOK_S = 5.0  # between two looks at whether the run is still under way


def last_lines(file: BinaryIO, count: int) -> tuple[list[str], int]:
    """The last whole lines of an open file, and where it ended; reads no more than its end."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(max(0, size - min(400 * count, MOST)))
    text = file.read(size - begin).decode(errors="replace")
    lines = deque(text.splitlines(), maxlen=count)
    return list(lines), size


def logs(argv: list[str]) -> int:
    """Print the last lines of a run's log, and of the scheduler's log of its newest job where there is one."""
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
        state = Looker(store, ids=[run.id], ask=ask).look().states
        print(f"no log yet: the run is {next(iter(state), 'unreadable')}")
    for line in lines:
        print(printable(line))
    if given.follow:
        follow(store, run, position)
    return ExitCode.DONE


def follow(store: Store, run: RunFolder, position: int) -> None:
    """Print what is added to a run's log until nobody works on it, or Ctrl-C."""
    looker, next_look, ending = Looker(store, ids=[run.id], ask=ask), 0.0, False
    try:
        while True:
            try:
                with run.open_log() as f:
                    f.seek(position)
                    added = f.read(MOST)
            except FileNotFoundError:
                added = b""
            position += len(added)
            sys.stdout.write(printable(added.decode(errors="replace")))
            sys.stdout.flush()
            if ending and not added:
                return
            if time.monotonic() >= next_look:
                ending = not looker.look().alive
                next_look = time.monotonic() + LOOK_S
            if not ending:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
