"""Shell lines of `launcher.setup` that a file of the store holds: whose they may be, and whether they may run.

They run as whoever submits. Who wrote them is not asked; a file that another user can have written is shown first.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landscape.config.errors import UserError
from sweeps.console import tell

FLAG = "--accept-setup"  # of the verbs that give the scheduler what the store holds


def in_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@dataclass(frozen=True)
class Source:
    """A file of the store from which shell lines come."""

    file: Path
    ours: bool  # it was read from a file that this user alone can write
    accepted: bool  # the lines were seen, as the command says

    def check(self, lines: Iterable[str]) -> None:
        """Show lines that another user may have written and ask for them; raises `UserError` unless they may run."""
        shown = list(dict.fromkeys(lines))
        if not shown or self.ours or self.accepted:
            return
        what = f"{self.file} can be written by others, and its launcher.setup runs as you"
        if not in_terminal():
            raise UserError(f"{what}: {shlex.join(shown)}; look at it and give {FLAG}, or nothing is submitted")
        tell(f"{what}:")
        for line in shown:
            tell(f"  {line}")
        if input("run these lines? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UserError("nothing was submitted")
