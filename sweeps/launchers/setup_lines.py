"""Consent to lines of `launcher.setup` and `launcher.extra` that come from a file of the store.

They take effect with the rights of whoever submits. If another user could have written the file, they are shown first.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landscape.config.errors import UserError
from sweeps.console import tell

FLAG = "--accept-setup"  # of the commands that submit from the store


def in_terminal() -> bool:
    """Whether a user can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@dataclass(frozen=True)
class Source:
    """A file of the store that such lines come from."""

    file: Path
    ours: bool  # only this user can write it
    accepted: bool  # the user has given `FLAG`

    def check(self, lines: Iterable[str]) -> None:
        """Ask for consent to lines that another user may have written; raises `UserError` without it."""
        shown = list(dict.fromkeys(lines))
        if not shown or self.ours or self.accepted:
            return
        what = f"other users can write {self.file}, and its launcher.setup and launcher.extra take effect as you"
        if not in_terminal():
            raise UserError(f"{what}: {shlex.join(shown)}; check these lines and add {FLAG} to submit")
        tell(f"{what}:")
        for line in shown:
            tell(f"  {line}")
        if input("submit with these lines? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UserError("nothing was submitted")
