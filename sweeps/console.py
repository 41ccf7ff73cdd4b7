"""Output of the commands: progress and notices are logged, results are printed."""

from __future__ import annotations

import logging

from landscape.config.text import printable


def tell(text: str) -> None:
    """Log a line of progress, attributed to the caller."""
    logging.getLogger("sweeps").info(text, stacklevel=2)


def show(text: str) -> None:
    """Print a line of a result to standard output."""
    print(printable(text), flush=True)
