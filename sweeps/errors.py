"""How the commands that plan and train say what went wrong: a sentence on stderr, and the exit code."""

from __future__ import annotations

import sys

from landscape.config.errors import CorruptFile, ExitCode, UserError, in_words
from landscape.config.text import printable
from sweeps.credentials import redact

REFUSALS = (UserError, CorruptFile, OSError, KeyboardInterrupt)


def refusal(error: BaseException) -> int:
    """Tell one of `REFUSALS`, without the passwords in it; the exit code that it means."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return ExitCode.INTERRUPTED
    print(printable(redact(in_words(error) if isinstance(error, OSError) else str(error))), file=sys.stderr)
    return ExitCode.USER
