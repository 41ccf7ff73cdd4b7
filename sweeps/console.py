"""What the commands say: progress and notices are logged, results are printed."""

from __future__ import annotations

import logging

from landscape.config.text import printable


def tell(text: str) -> None:
    """Log a line of progress under the name of the module that says it."""
    logging.getLogger("sweeps").info(text, stacklevel=2)


def show(text: str) -> None:
    """Print a line of a result, which a user may pipe."""
    print(printable(text), flush=True)
