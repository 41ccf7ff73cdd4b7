"""`python -m sweeps watch`: a sweep as it goes on, from the store alone, wherever it is trained."""

from __future__ import annotations

import logging
import sys
import time

from rich.live import Live
from rich.text import Text

from landscape.config.errors import ExitCode
from landscape.config.text import duration, printable
from landscape.store import Store
from sweeps.cli import arguments
from sweeps.cli.status import console, shown, summary
from sweeps.cli.wait import End, chosen, closing, pause_s
from sweeps.formatting import distance
from sweeps.launchers.progress import LINE_S, table_of
from sweeps.launchers.registry import ask
from sweeps.monitor import Course, Looker, Seen
from sweeps.planning.labels import labels

logger = logging.getLogger(__name__)


def told(seen: Seen, called: dict[str, str]) -> str:
    """A run's end in one line."""
    reason = f" ({seen.reason})" if seen.reason else ""
    return f"{seen.id} {called[seen.id]}: {seen.state}{distance(seen.status.scores)}{reason}"


def watch(argv: list[str]) -> int:
    """Show a sweep live until it is finished (exit code 0, or 1 with failures); Ctrl-C leaves and stops nothing."""
    given = arguments.watch().parse(argv)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    looker, course = Looker(store, folder, ask=ask), Course()
    end = End(looker)
    logger.info(f"sweep {folder.name} in {store.root}; Ctrl-C leaves and stops nothing")
    out = console()
    live = Live(console=out, auto_refresh=False, transient=True) if sys.stdout.isatty() else None
    next_line = 0.0
    try:
        if live is not None:
            live.start()
        while True:
            began = time.monotonic()
            look = looker.look()
            called = labels((seen.id, seen.axes) for seen in look.runs)
            for seen in course.ended(look):
                out.print(shown(told(seen, called)))
            left_s, code = course.left_s(look), end.code(look)
            if code is not None:
                break
            if live is not None:
                live.update(table_of(look, called, left_s), refresh=True)
            elif time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_S
                out.print(Text(summary(look) + ("" if left_s is None else f"; about {duration(left_s)} left")))
            sys.stdout.flush()
            time.sleep(pause_s(time.monotonic() - began) / 2)
    except KeyboardInterrupt:
        return ExitCode.DONE
    finally:
        if live is not None:
            live.stop()
    for line in closing(looker, folder.name, look):
        print(printable(line))
    return code
