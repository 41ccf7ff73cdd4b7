"""What the commands print."""

from __future__ import annotations

import os
import sys

from landscape.config.text import printable


def tell(text: str) -> None:
    """Print a line; who closed the pipe (`| head`) is not told, and the sweep goes on."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
