"""Progress of long reads on standard error: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from landscape.data.source import Advance

logger = logging.getLogger(__name__)

LINE_S = 30.0  # between lines


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Yields a function to call with the number of further images that are done."""
    if sys.stderr.isatty() and logger.isEnabledFor(logging.INFO):
        yield from _bar(what, total)
    else:
        yield from _lines(what, total)


def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _lines(what: str, total: int) -> Iterator[Advance]:
    start = time.monotonic()
    done, said = 0, start
    logger.info(f"{what}: {total} images")

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        if time.monotonic() - said >= LINE_S:
            said = time.monotonic()
            logger.info(f"{what}: {done} of {total}")

    yield advance
    logger.info(f"{what}: {total} images in {time.monotonic() - start:.0f} s")
