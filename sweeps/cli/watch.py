"""`python -m sweeps watch`: a sweep as it goes on, from the store alone, wherever it is trained."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from landscape.config.text import printable
from landscape.store import FAILED, FINISHED, RUNNING, Store
from sweeps.cli.status import console, shown, summary
from sweeps.cli.wait import End, chosen, closing, pause_s
from sweeps.formatting import COLOURS, duration, score
from sweeps.monitor import Look, Looker, Seen
from sweeps.planning.labels import labels
from sweeps.states import ALL_STATES, LOST, STALLED

LINE_S = 30.0  # between two plain lines of progress
ROWS = 12


class Course:
    """What changes between looks: runs that have ended since the last one, and how fast steps are made."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.left_at_first: dict[str, int] = {}
        self.before: dict[str, str] = {}

    def ended(self, look: Look) -> list[Seen]:
        """Runs that are over now and were not at the look before; none at the first look."""
        over = (*FINISHED, FAILED, LOST, STALLED)  # stalled: told when it begins, as ends are
        new = [s for s in look.runs if s.state in over and self.before.get(s.id, s.state) != s.state]
        self.before = {seen.id: seen.state for seen in look.runs}
        return new

    def left_s(self, look: Look) -> float | None:
        """Seconds to go at the rate of steps since the watch began; None until there is one."""
        made = sum(self.left_at_first.setdefault(seen.id, seen.left) - seen.left for seen in look.runs)
        elapsed = time.monotonic() - self.began
        left = sum(seen.left for seen in look.runs)
        return left * elapsed / made if made > 0 and left and elapsed > 5 else None


def told(seen: Seen, called: dict[str, str]) -> str:
    """A run's end in one line."""
    scores, reason = seen.status.scores, seen.reason
    distance = f", distance {scores['fid']:.4g}" if scores.get("fid") is not None else ""
    return f"{seen.id} {called[seen.id]}: {seen.state}{distance}" + f" ({reason})" * bool(reason)


def draw(look: Look, called: dict[str, str], left_s: float | None) -> RenderableType:
    """The counts, and the runs under way with their newest scores."""
    head = Text()
    for state in ALL_STATES:
        if look.states[state]:
            head.append(f"{look.states[state]} {state}  ", style=COLOURS.get(state, ""))
    if left_s is not None:
        head.append(f"about {duration(left_s)} left", style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "step", "", "distance", "IS", "MS-SSIM"):
        table.add_column(name, justify="left" if name in ("run", "") else "right")
    running = [seen for seen in look.runs if seen.state in (RUNNING, STALLED)]
    for seen in running[:ROWS]:
        (step, steps), scores = seen.steps, seen.status.scores
        bar = ProgressBar(steps or 1, step, width=20)
        numbers = [score(scores.get("fid"), 1), score(scores.get("is"), 2), score(scores.get("ms_ssim"), 3)]
        table.add_row(shown(called[seen.id]), f"{step}/{steps}", bar, *numbers)
    parts: list[RenderableType] = [head, table]
    if len(running) > ROWS:
        parts.append(Text(f"and {len(running) - ROWS} more running", style="dim"))
    if look.unasked is not None:
        parts.append(Text(printable(f"the scheduler was not asked ({look.unasked})"), style="dim"))
    return Group(*parts)


def watch(arguments: list[str]) -> int:
    """Show a sweep live until it is finished (exit code 0, or 1 with failures); Ctrl-C leaves and stops nothing."""
    parser = argparse.ArgumentParser(prog="python -m sweeps watch", description=watch.__doc__)
    parser.add_argument("sweep", nargs="?", help="its name or the beginning of it (default: the newest of the store)")
    parser.add_argument("--store", default="outputs", help="the store's folder (default: outputs)")
    given = parser.parse_args(arguments)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    looker, course = Looker(store, folder), Course()
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
                live.update(draw(look, called, left_s), refresh=True)
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
