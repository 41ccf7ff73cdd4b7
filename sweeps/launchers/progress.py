"""What a sweep shows while it runs: a live table in a terminal, plain lines elsewhere. It reads the store only."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from landscape.config.errors import CorruptFile
from landscape.config.text import printable
from landscape.store import DONE, FAILED, RUNNING, RunFolder, RunStatus
from landscape.store.processes import is_stopped
from landscape.store.protocols import missing_scores
from sweeps.console import tell
from sweeps.formatting import COLOURS, duration, score
from sweeps.launchers.local_pool import Pool
from sweeps.planning.plan import SCORE, Planned
from sweeps.states import STALLED

REFRESH_S = 1.0
LINE_S = 30.0  # between plain lines of progress


class Snapshot:
    """One look at every run's status file, and the rate of steps since the sweep began."""

    def __init__(self, pool: Pool, at_start: dict[str, int]) -> None:
        self.status: dict[str, RunStatus] = {}
        remaining = done_here = 0
        for planned in pool.plan.runs:
            try:
                status = pool.plan.store.run(planned.id).status()
            except (CorruptFile, OSError):
                status = RunStatus(state=FAILED)
            self.status[planned.id] = status
            steps = int(planned.config["train"]["steps"])
            step = steps if status.finished else status.step
            first = at_start.setdefault(planned.id, step)
            remaining += steps - step
            done_here += step - first
        self.stopped = {job.planned.id for job in pool.jobs if is_stopped(job.process.pid)}
        self.states = Counter(self._state(planned) for planned in pool.plan.runs)
        elapsed = time.monotonic() - pool.started
        self.left_s = remaining / (done_here / elapsed) if done_here and elapsed > 5 else None
        self.elapsed_s = elapsed

    def _state(self, planned: Planned) -> str:
        """A run's state; "stalled" where its worker makes no progress, by its own judgement or as it was stopped; one
        that is trained and waits for the scores that the plan asks of it is "to score"."""
        status = self.status[planned.id]
        state = status.state
        if state == RUNNING and (status.stalled is not None or planned.id in self.stopped):
            return STALLED
        waits = planned.need == SCORE and state == DONE
        return "to score" if waits and any(missing_scores(asked, status) for asked in planned.asked) else state

    def summary(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        left = "" if self.left_s is None or self.left_s < 1 else f", about {duration(self.left_s)} left"
        return f"{counts}; {duration(self.elapsed_s)} elapsed{left}"


def distance_name(planned: Planned) -> str:
    """What the Frechet distance of a run is called: plain FID means Inception's features and nothing else."""
    extractor = planned.config["metrics"]["extractor"]
    return "FID" if extractor in (None, "inception") else f"FID ({extractor})"


def outcome(run: RunFolder, planned: Planned) -> str:
    """A run's end in one line: its state, its distance, and what went wrong."""
    try:
        status = run.status()
    except (CorruptFile, OSError) as e:
        return str(e)
    text = status.state
    distance = status.scores.get("fid")
    if status.finished and distance is not None:
        text += f", {distance_name(planned)} {distance:.4g}"
    if status.reason is not None:
        text += f" ({status.reason})"
    for reason in status.unmet.values():
        text += f" (not scored as asked: {reason})"
    return text


class Lines:
    """Plain lines, for logs and pipes: each run's end, and a summary now and then."""

    def __init__(self) -> None:
        self.at_start: dict[str, int] = {}
        self.next_line = time.monotonic() + LINE_S

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tick(self, pool: Pool) -> None:
        if not self.at_start:
            Snapshot(pool, self.at_start)
        if time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + LINE_S
            self.event(Snapshot(pool, self.at_start).summary())

    def event(self, text: str) -> None:
        tell(text)

    def ended(self, planned: Planned, run: RunFolder) -> None:
        tell(f"{planned.label}: {outcome(run, planned)}")


class Screen:
    """A live table: runs by state, the running ones with their newest scores, time left, the last events."""

    def __init__(self) -> None:
        self.console = Console()
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.at_start: dict[str, int] = {}
        self.next_look = 0.0

    def __enter__(self) -> Screen:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def tick(self, pool: Pool) -> None:
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + REFRESH_S
        self.live.update(self._draw(pool, Snapshot(pool, self.at_start)), refresh=True)

    def event(self, text: str) -> None:
        self.live.console.print(Text(printable(text)), highlight=False)

    def ended(self, planned: Planned, run: RunFolder) -> None:
        self.event(f"{planned.label}: {outcome(run, planned)}")

    def _draw(self, pool: Pool, look: Snapshot) -> RenderableType:
        head = Text()
        for state, count in sorted(look.states.items()):
            head.append(f"{count} {state}  ", style=COLOURS.get(state, ""))
        left = "" if look.left_s is None else f"  about {duration(look.left_s)} left"
        head.append(f"{duration(look.elapsed_s)} elapsed{left}", style="dim")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("run", "step", "", distance_name(pool.plan.runs[0]), "IS", "MS-SSIM"):
            table.add_column(name, justify="left" if name in ("run", "") else "right")
        shown: deque[Planned] = deque((job.planned for job in pool.jobs), maxlen=12)
        for planned in [*shown, *pool.elsewhere[:4]]:
            status = look.status[planned.id]
            steps, step = planned.config["train"]["steps"], status.step
            scores = status.scores
            numbers = [
                f"{scores['fid']:.4g}" if scores.get("fid") is not None else "-",
                score(scores.get("is"), 2),
                score(scores.get("ms_ssim"), 3),
            ]
            table.add_row(
                Text(printable(planned.label)), f"{step}/{steps}", ProgressBar(steps, step, width=20), *numbers
            )
        return Group(head, table)


def display() -> Lines | Screen:
    """The live table where standard output is a terminal, else plain lines."""
    return Screen() if sys.stdout.isatty() else Lines()
