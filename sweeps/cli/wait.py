"""`python -m sweeps wait`: until a sweep is finished, or nobody works on it any more; its exit code says which."""

from __future__ import annotations

import logging
import time

from landscape.config.errors import ExitCode
from landscape.config.text import duration, printable
from landscape.store import FINISHED, Store, SweepFolder
from landscape.store.lookup import by_age, find_sweep
from sweeps.cli import arguments
from sweeps.cli.status import advice, stalled_advice, summary
from sweeps.launchers.registry import ask
from sweeps.monitor import Look, Looker, asked
from sweeps.planning.labels import labels
from sweeps.states import STALLED

logger = logging.getLogger(__name__)

POLL_S = 2.0
IDLE_S = 10.0  # without a sign of life, until a sweep counts as left alone: its command may just be starting
SILENT_S = 300.0  # the same where the scheduler may know of one and does not answer: a controller that starts again
SHOWN = 20


class End:
    """Judges, look after look, whether there is anything left to wait for."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.idle_since: float | None = None

    def code(self, look: Look) -> int | None:
        """0 where all that was asked for is done and scored, 1 where it ended without that, None while it goes on."""
        look = asked(self.looker, look)
        alive = look.alive
        if look.finished:
            owing, alive = self.looker.owing(look)
            if not owing and not alive:
                return ExitCode.UNFINISHED if any(seen.status.unmet for seen in look.runs) else 0
        if alive:
            self.idle_since = None
            return None
        now = time.monotonic()
        self.idle_since = self.idle_since or now
        patience = IDLE_S if look.unasked is None else SILENT_S
        return ExitCode.UNFINISHED if now - self.idle_since >= patience else None


def chosen(store: Store, name: str | None) -> SweepFolder:
    """The sweep that is meant: the newest where none is named. Raises `UserError`."""
    return by_age(store)[0] if name is None else find_sweep(store, name)


def pause_s(took_s: float) -> float:
    """How long to rest after a look that took so long: a tenth of one core at the most."""
    return max(POLL_S, 9 * took_s)


def closing(looker: Looker, sweep: str, whole: Look) -> list[str]:
    """How a sweep ended: counts, and each run that was asked for and is not finished, with the reason."""
    lines, look = [f"sweep {sweep}: {summary(whole)}"], asked(looker, whole)
    if whole.trials_left > look.trials_left:
        lines.append(
            "its search was left out by stage=grid: the same command with stage=search, or without it, goes on"
        )
    called = labels((seen.id, seen.axes) for seen in look.runs)
    bad = [seen for seen in look.runs if seen.state not in FINISHED or seen.status.unmet]
    for seen in bad[:SHOWN]:
        reason = seen.reason or "; ".join(seen.status.unmet.values())
        lines.append(f"  {seen.id} {seen.state} {called[seen.id]}" + f" ({reason})" * bool(reason))
    if len(bad) > SHOWN:
        lines.append(f"  and {len(bad) - SHOWN} more")
    if look.unasked is not None and not look.finished:
        lines.append(
            f"the scheduler has not answered for {duration(SILENT_S)}, and nobody else works on these runs; "
            "what it holds goes on without this command: wait again when it does"
        )
    return [*lines, *look.unreadable.values(), *advice(looker.store, sweep, look)]


def wait(argv: list[str]) -> int:
    """Wait until what a sweep's newest command asked for is finished: 0, or 1 where some failed or nobody is at it."""
    given = arguments.wait().parse(argv)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    looker = Looker(store, folder, ask=ask)
    end, told, stalled = End(looker), False, set[str]()
    try:
        while True:
            began = time.monotonic()
            look = looker.look()
            code = end.code(look)
            if code is not None:
                break
            if not told:
                logger.info(f"waiting for sweep {folder.name}: {summary(look)}")
                told = True
            new = [seen for seen in look.runs if seen.state == STALLED and seen.id not in stalled]
            stalled |= {seen.id for seen in new}
            for line in stalled_advice(new):
                logger.warning(line)
            time.sleep(pause_s(time.monotonic() - began))
    except KeyboardInterrupt:
        logger.info("left; the runs go on")
        return ExitCode.INTERRUPTED
    for line in closing(looker, folder.name, look):
        print(printable(line))
    return code
