"""`python -m sweeps watch`: a sweep as it goes on, from the store alone, wherever it is trained."""

from __future__ import annotations

import argparse
import sys
import time

from rich.live import Live
from rich.text import Text

from landscape.config.text import printable
from landscape.store import Store
from sweeps.cli.status import console, shown, summary
from sweeps.cli.wait import End, chosen, closing, pause_s
from sweeps.formatting import duration
from sweeps.launchers.progress import LINE_S, table_of
from sweeps.launchers.registry import ask
from sweeps.monitor import Course, Looker, Seen
from sweeps.planning.labels import labels


def told(seen: Seen, called: dict[str, str]) -> str:
    """A run's end in one line."""
    scores, reason = seen.status.scores, seen.reason
    distance = f", distance {scores['fid']:.4g}" if scores.get("fid") is not None else ""
    return f"{seen.id} {called[seen.id]}: {seen.state}{distance}" + f" ({reason})" * bool(reason)


def watch(arguments: list[str]) -> int:
    """Show a sweep live until it is finished (exit code 0, or 1 with failures); Ctrl-C leaves and stops nothing."""
    parser = argparse.ArgumentParser(prog="python -m sweeps watch", description=watch.__doc__)
    parser.add_argument("sweep", nargs="?", help="its name or the beginning of it (default: the newest of the store)")
    parser.add_argument("--store", default="outputs", help="the store's folder (default: outputs)")
    given = parser.parse_args(arguments)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    looker, course = Looker(store, folder, ask=ask), Course()
    end = End(looker)
    print(f"sweep {folder.name} in {store.root}; Ctrl-C leaves and stops nothing", flush=True)
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
        return 0
    finally:
        if live is not None:
            live.stop()
    for line in closing(looker, folder.name, look):
        print(printable(line))
    return code
