"""How the commands that plan and train say what went wrong: a sentence on stderr, and the exit code."""

from __future__ import annotations

import sys

from landscape.errors import EXIT_INTERRUPTED, EXIT_USER, UserError
from landscape.files import CorruptFile
from sweeps.passwords import redact

REFUSALS = (UserError, CorruptFile, OSError, KeyboardInterrupt)


def refusal(error: BaseException) -> int:
    """Tell one of `REFUSALS`, without the passwords in it; the exit code that it means."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    if isinstance(error, OSError):
        print(f"{error.filename or 'the store'}: {error.strerror}; nothing that was finished is lost", file=sys.stderr)
    else:
        print(redact(str(error)), file=sys.stderr)
    return EXIT_USER
