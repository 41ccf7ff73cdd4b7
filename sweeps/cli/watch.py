"""`python -m sweeps watch`: a live view of a sweep, read from the store, wherever it is trained."""

from __future__ import annotations

import logging
import sys
import time

from rich.console import Group
from rich.live import Live
from rich.text import Text

from landscape.config.errors import ExitCode
from landscape.config.text import duration, printable
from landscape.store import Store
from sweeps.cli import arguments
from sweeps.cli.race_table import race_of, race_view
from sweeps.cli.status import console, show_race, shown, summary
from sweeps.cli.wait import CompletionCheck, chosen, closing, pause_s
from sweeps.formatting import distance
from sweeps.launchers.progress import LINE_S, table_of
from sweeps.launchers.registry import query_schedulers
from sweeps.monitor import ProgressTracker, RunView, StoreMonitor
from sweeps.planning.labels import labels

logger = logging.getLogger(__name__)


def summary_line(view: RunView, called: dict[str, str]) -> str:
    """A run's end in one line."""
    reason = f" ({view.reason})" if view.reason else ""
    return f"{view.id} {called[view.id]}: {view.state}{distance(view.status.scores)}{reason}"


def watch(argv: list[str]) -> int:
    """Show a sweep live until it is finished; returns the exit code of `wait`. Ctrl-C leaves, and the runs continue."""
    given = arguments.watch().parse(argv)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    monitor, progress = StoreMonitor(store, folder, query=query_schedulers), ProgressTracker()
    check = CompletionCheck(monitor)
    logger.info(f"sweep {folder.name} in {store.root}; Ctrl-C leaves, and the runs continue")
    out = console()
    live = Live(console=out, auto_refresh=False, transient=True) if sys.stdout.isatty() else None
    next_line = 0.0
    try:
        if live is not None:
            live.start()
        while True:
            began = time.monotonic()
            snapshot = monitor.snapshot()
            called = labels((view.id, view.axes) for view in snapshot.runs)
            for view in progress.ended(snapshot):
                out.print(shown(summary_line(view, called)))
            left_s, code = progress.left_s(snapshot), check.code(snapshot)
            if code is not None:
                break
            if live is not None:
                shown_race = race_of(folder)
                views = [table_of(snapshot, called, left_s), *([race_view(shown_race)] if shown_race else [])]
                live.update(Group(*views), refresh=True)
            elif time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_S
                out.print(Text(summary(snapshot) + ("" if left_s is None else f"; about {duration(left_s)} left")))
            sys.stdout.flush()
            time.sleep(pause_s(time.monotonic() - began) / 2)
    except KeyboardInterrupt:
        return ExitCode.DONE
    finally:
        if live is not None:
            live.stop()
    show_race(folder)
    for line in closing(monitor, folder.name, snapshot):
        print(printable(line))
    return code
