"""What a sweep shows while it runs: a live table in a terminal, plain lines elsewhere. It reads the store only."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from landscape.config.errors import CorruptFile
from landscape.config.text import duration, printable
from landscape.scores import columns_of
from landscape.store import RUNNING, RunFolder
from landscape.store.protocols import EvalRequest
from sweeps.console import tell
from sweeps.formatting import COLOURS, distance, score
from sweeps.monitor import Course, Look, Looker
from sweeps.planning.plan import SCORE, Plan, Planned
from sweeps.states import ALL_STATES, STALLED, TO_SCORE

REFRESH_S = 1.0
LINE_S = 30.0  # between plain lines of progress
ROWS = 12


def table_of(
    look: Look,
    called: Mapping[str, str],
    left_s: float | None,
    elapsed_s: float | None = None,
    asked: Sequence[EvalRequest] = (),
) -> RenderableType:
    """A look as a live table: runs by state, those under way with their newest scores, time left.

    Scores that are `asked` have a column before any run has one.
    """
    head = Text()
    for state in (*ALL_STATES, TO_SCORE):
        if look.states[state]:
            head.append(f"{look.states[state]} {state}  ", style=COLOURS.get(state, ""))
    elapsed = "" if elapsed_s is None else f"{duration(elapsed_s)} elapsed  "
    head.append(elapsed + ("" if left_s is None else f"about {duration(left_s)} left"), style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    running = [seen for seen in look.runs if seen.state in (RUNNING, STALLED)]
    columns = columns_of([*(seen.status.scores for seen in running), *(dict.fromkeys(one.newest) for one in asked)])
    for name in ("run", "step", "", *(head for head, _ in columns)):
        table.add_column(name, justify="left" if name in ("run", "") else "right")
    for seen in running[:ROWS]:
        step, steps = seen.steps
        bar = ProgressBar(steps or 1, step, width=20)
        numbers = [score(column, column.of(seen.status.scores)) for _, column in columns]
        table.add_row(Text(printable(called[seen.id])), f"{step}/{steps}", bar, *numbers)
    parts: list[RenderableType] = [head, table]
    if len(running) > ROWS:
        parts.append(Text(f"and {len(running) - ROWS} more running", style="dim"))
    if look.unasked is not None:
        parts.append(Text(printable(f"the scheduler was not asked ({look.unasked})"), style="dim"))
    return Group(*parts)


def outcome(run: RunFolder) -> str:
    """A run's end in one line: its state, its distance, and what went wrong."""
    try:
        status = run.status()
    except (CorruptFile, OSError) as e:
        return str(e)
    text = status.state + (distance(status.scores) if status.finished else "")
    if status.reason is not None:
        text += f" ({status.reason})"
    for reason in status.unmet.values():
        text += f" (not scored as asked: {reason})"
    return text


class Display:
    """What both displays share: looks at the runs of a plan, at a time of their own."""

    every_s: float

    def __init__(self, plan: Plan) -> None:
        wanted = {planned.id: planned.asked for planned in plan.needing(SCORE)}
        self.looker = Looker(plan.store, ids=[planned.id for planned in plan.runs], wanted=wanted)
        self.called = {planned.id: planned.label for planned in plan.runs}
        self.asked = plan.runs[0].asked
        self.course = Course()
        self.next_look = 0.0

    def tick(self) -> None:
        """Called a few times a second."""
        if time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + self.every_s
            look = self.looker.look()
            self.show(look, self.course.left_s(look))

    def show(self, look: Look, left_s: float | None) -> None:
        """Show a look."""
        raise NotImplementedError

    def event(self, text: str) -> None:
        """Tell of something in one line."""
        raise NotImplementedError

    def ended(self, planned: Planned, run: RunFolder) -> None:
        """Tell of a run's end."""
        self.event(f"{planned.label}: {outcome(run)}")


class Lines(Display):
    """Plain lines, for logs and pipes: each run's end, and a summary now and then."""

    every_s = LINE_S

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, look: Look, left_s: float | None) -> None:
        if self.course.elapsed_s() >= LINE_S:  # the first look is where the count begins
            counts = ", ".join(f"{count} {state}" for state, count in sorted(look.states.items()))
            left = "" if left_s is None or left_s < 1 else f", about {duration(left_s)} left"
            self.event(f"{counts}; {duration(self.course.elapsed_s())} elapsed{left}")

    def event(self, text: str) -> None:
        tell(text)


class Screen(Display):
    """The live table."""

    every_s = REFRESH_S

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def show(self, look: Look, left_s: float | None) -> None:
        drawn = table_of(look, self.called, left_s, self.course.elapsed_s(), self.asked)
        self.live.update(drawn, refresh=True)

    def event(self, text: str) -> None:
        tell(text)  # above the table


def display(plan: Plan) -> Lines | Screen:
    """The live table where standard error is a terminal on which progress is logged, else plain lines."""
    shown = sys.stderr.isatty() and logging.getLogger("sweeps").isEnabledFor(logging.INFO)
    return Screen(plan) if shown else Lines(plan)
