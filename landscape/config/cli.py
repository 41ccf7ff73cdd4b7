"""What the commands share: their version, and of the small ones help, a refusal in a sentence, and Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable

from landscape import __version__
from landscape.config.errors import EXIT_INTERRUPTED, EXIT_USER, CorruptFile, UserError, in_words
from landscape.config.text import printable

VERSION = f"gan-landscape {__version__}"


def is_version(arguments: list[str]) -> bool:
    """Whether a command is asked for the version of this project, which is printed then."""
    asked = "--version" in arguments
    if asked:
        print(VERSION)
    return asked


def enter(arguments: list[str], about: str, work: Callable[[list[str]], None]) -> int:
    """`work(arguments)`; returns the exit code: 0, 2 for what cannot be meant, read or written, 130 interrupted.

    Without arguments, or asked for help, `about` is printed instead.
    """
    if is_version(arguments):
        return 0
    if not arguments or {"-h", "--help"} & set(arguments):
        print(about.strip())
        return 0 if arguments else EXIT_USER
    try:
        work(arguments)
    except (UserError, CorruptFile, OSError) as e:
        print(printable(in_words(e) if isinstance(e, OSError) else e), file=sys.stderr)
        return EXIT_USER
    except KeyboardInterrupt:
        print("stopped; nothing half made is left", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0
