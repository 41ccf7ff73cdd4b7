"""What the small doors of this package share: their help, a refusal in a sentence, and Ctrl-C. No torch."""

from __future__ import annotations

import sys
from collections.abc import Callable

from landscape.config.errors import CorruptFile, ExitCode, UserError, in_words
from landscape.config.text import printable


def enter(arguments: list[str], about: str, work: Callable[[list[str]], None]) -> int:
    """`work(arguments)`; returns the exit code: 0, 2 for what cannot be meant, read or written, 130 interrupted.

    Without arguments, or asked for help, `about` is printed instead.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(about.strip())
        return 0 if arguments else ExitCode.USER
    try:
        work(arguments)
    except (UserError, CorruptFile, OSError) as e:
        print(printable(in_words(e) if isinstance(e, OSError) else e), file=sys.stderr)
        return ExitCode.USER
    except KeyboardInterrupt:
        print("stopped; nothing half made is left", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return 0
