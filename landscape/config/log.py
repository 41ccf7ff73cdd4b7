"""Log messages of commands and workers: `logging` to standard error. No torch.

Levels: INFO for progress, WARNING for what is shown even with `-q`, DEBUG for details shown with `-v`. Results are
printed to standard output instead, so that they can be piped.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from landscape.config.text import printable

PACKAGES = ("landscape", "sweeps", "analysis", "__main__")  # "__main__" is the module run by `python -m`
VARIABLE = "LANDSCAPE_LOG"  # set to "debug" by `-v`, for child processes and scheduler jobs
DETAILS = "%(asctime)s %(levelname)s %(module)s: %(message)s"


class PrintableFormatter(logging.Formatter):
    """Escapes control characters, which text from files may contain."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text with control characters escaped."""
        return printable(super().format(record))


class StderrHandler(logging.Handler):
    """Writes to the current `sys.stderr`, also while rich's live display replaces it. A closed stream is ignored."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record and flush."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except BrokenPipeError:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        except Exception:
            self.handleError(record)


HANDLER = StderrHandler()


def configure(verbose: bool = False, quiet: bool = False) -> None:
    """Send this project's log messages to standard error: from INFO, with `verbose` DEBUG, with `quiet` WARNING.

    Child processes inherit `verbose` but not `quiet`, because their output goes to log files. Other libraries' loggers
    are left unchanged.
    """
    if verbose:
        os.environ[VARIABLE] = "debug"
    details = os.environ.get(VARIABLE) == "debug"
    HANDLER.setFormatter(PrintableFormatter(DETAILS if details else None))
    level = logging.WARNING if quiet else logging.DEBUG if details else logging.INFO
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        if HANDLER not in logger.handlers:
            logger.addHandler(HANDLER)


@contextmanager
def run_log(file: Path, shown: bool) -> Iterator[Callable[[str], None]]:
    """Yields a function that logs a line to `file`, the log of a run trained in this process.

    `shown`: also log it where this process logs.
    """
    logger = logging.getLogger(f"landscape.run.{file.parent.name}")
    logger.setLevel(logging.DEBUG if os.environ.get(VARIABLE) == "debug" else logging.INFO)
    logger.propagate = shown
    handler = logging.FileHandler(file)
    handler.setFormatter(HANDLER.formatter)
    logger.addHandler(handler)
    try:
        yield logger.info
    finally:
        logger.removeHandler(handler)
        handler.close()
