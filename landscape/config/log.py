"""What commands and workers say beside their results: the standard `logging`, on standard error. No torch.

A module says things by `logging.getLogger(__name__)`: progress at INFO, what a user should see even with `-q` at
WARNING, details for `-v` at DEBUG. Results, which a user may pipe, are printed and are no part of this.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from landscape.config.text import printable

PACKAGES = ("landscape", "sweeps", "analysis", "__main__")  # the last is a module that `python -m` runs
VARIABLE = "LANDSCAPE_LOG"  # "debug" in the environment of what `-v` starts, jobs of a scheduler too
DETAILS = "%(asctime)s %(levelname)s %(module)s: %(message)s"


class PrintableFormatter(logging.Formatter):
    """A record as one may show it in a terminal: what it quotes from files moves no cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """The text, its control characters spelled."""
        return printable(super().format(record))


class StderrHandler(logging.Handler):
    """Writes to standard error as it is at that moment; who closed it is told nothing.

    A live display of rich takes the place of `sys.stderr` meanwhile and writes lines above itself.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record at once."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except BrokenPipeError:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        except Exception:
            self.handleError(record)


HANDLER = StderrHandler()


def configure(verbose: bool = False, quiet: bool = False) -> None:
    """Send what this project logs to standard error: INFO and above, all with `verbose`, warnings alone with `quiet`.

    What the process starts is as verbose; it is never quiet, for its log is a file. Other libraries' logs are left as
    they are.
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
    """Yields a function that logs a line of a run that is trained in this process to `file`, the run's own log; where
    `shown`, also to wherever this process logs."""
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
