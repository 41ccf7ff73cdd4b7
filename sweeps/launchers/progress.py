"""The display of a sweep while it runs: a live table in a terminal, plain lines elsewhere; read from the store."""

from __future__ import annotations

import logging
import sys
import time
from abc import ABC, abstractmethod
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
from sweeps.formatting import COLORS, distance, score
from sweeps.monitor import ProgressTracker, Snapshot, StoreMonitor
from sweeps.planning.plan import SCORE, Plan, Planned
from sweeps.states import ALL_STATES, STALLED, TO_SCORE

REFRESH_S = 1.0
LINE_S = 30.0  # between plain lines of progress
MAX_ROWS = 12  # of the live table


def table_of(
    snapshot: Snapshot,
    called: Mapping[str, str],
    left_s: float | None,
    elapsed_s: float | None = None,
    asked: Sequence[EvalRequest] = (),
) -> RenderableType:
    """A snapshot as a live table: runs by state, running runs with their newest scores, time left.

    The scores of `asked` have a column even before a run has them.
    """
    head = Text()
    for state in (*ALL_STATES, TO_SCORE):
        if snapshot.states[state]:
            head.append(f"{snapshot.states[state]} {state}  ", style=COLORS.get(state, ""))
    elapsed = "" if elapsed_s is None else f"{duration(elapsed_s)} elapsed  "
    head.append(elapsed + ("" if left_s is None else f"about {duration(left_s)} left"), style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    running = [view for view in snapshot.runs if view.state in (RUNNING, STALLED)]
    columns = columns_of([*(view.status.scores for view in running), *(dict.fromkeys(one.newest) for one in asked)])
    for name in ("run", "step", "", *(head for head, _ in columns)):
        table.add_column(name, justify="left" if name in ("run", "") else "right")
    for view in running[:MAX_ROWS]:
        step, steps = view.steps
        bar = ProgressBar(steps or 1, step, width=20)
        numbers = [score(column, column.of(view.status.scores)) for _, column in columns]
        table.add_row(Text(printable(called[view.id])), f"{step}/{steps}", bar, *numbers)
    parts: list[RenderableType] = [head, table]
    if len(running) > MAX_ROWS:
        parts.append(Text(f"and {len(running) - MAX_ROWS} more running", style="dim"))
    if snapshot.scheduler_error is not None:
        parts.append(Text(printable(f"the scheduler could not be queried ({snapshot.scheduler_error})"), style="dim"))
    return Group(*parts)


def outcome(run: RunFolder) -> str:
    """How a run ended, in one line: its state, its distance, and what went wrong."""
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


class Display(ABC):
    """The base of both displays: takes snapshots of a plan's runs, every `every_s` seconds."""

    every_s: float

    def __init__(self, plan: Plan) -> None:
        wanted = {planned.id: planned.asked for planned in plan.needing(SCORE)}
        self.monitor = StoreMonitor(plan.store, ids=[planned.id for planned in plan.runs], wanted=wanted)
        self.called = {planned.id: planned.label for planned in plan.runs}
        self.asked = plan.runs[0].asked
        self.tracker = ProgressTracker()
        self.next_snapshot = 0.0

    def tick(self) -> None:
        """Take and show a snapshot when it is time; called a few times per second."""
        if time.monotonic() >= self.next_snapshot:
            self.next_snapshot = time.monotonic() + self.every_s
            snapshot = self.monitor.snapshot()
            self.show(snapshot, self.tracker.left_s(snapshot))

    @abstractmethod
    def show(self, snapshot: Snapshot, left_s: float | None) -> None:
        """Show a snapshot."""

    @abstractmethod
    def event(self, text: str) -> None:
        """Show a line."""

    def ended(self, planned: Planned, run: RunFolder) -> None:
        """Show how a run ended."""
        self.event(f"{planned.label}: {outcome(run)}")


class Lines(Display):
    """Plain lines, for logs and pipes: each run's end, and a regular summary."""

    every_s = LINE_S

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, snapshot: Snapshot, left_s: float | None) -> None:
        """Log the counts and the time left."""
        if self.tracker.elapsed_s() >= LINE_S:  # rates need two snapshots
            counts = ", ".join(f"{count} {state}" for state, count in sorted(snapshot.states.items()))
            left = "" if left_s is None or left_s < 1 else f", about {duration(left_s)} left"
            self.event(f"{counts}; {duration(self.tracker.elapsed_s())} elapsed{left}")

    def event(self, text: str) -> None:
        """Log a line."""
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

    def show(self, snapshot: Snapshot, left_s: float | None) -> None:
        """Refresh the table."""
        table = table_of(snapshot, self.called, left_s, self.tracker.elapsed_s(), self.asked)
        self.live.update(table, refresh=True)

    def event(self, text: str) -> None:
        """Log a line, above the table."""
        tell(text)


def display(plan: Plan) -> Lines | Screen:
    """A live table if standard error is a terminal and progress is logged, else plain lines."""
    shown = sys.stderr.isatty() and logging.getLogger("sweeps").isEnabledFor(logging.INFO)
    return Screen(plan) if shown else Lines(plan)
