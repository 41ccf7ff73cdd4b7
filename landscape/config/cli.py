"""What every command shares: its version, how it ends, and a sentence in place of a traceback. No torch."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

from landscape import __version__
from landscape.config.errors import CorruptFile, ExitCode, UserError, in_words
from landscape.config.text import printable

VERSION = f"gan-landscape {__version__}"
AGAIN = "interrupted; the same command goes on from here"


def is_version(arguments: list[str]) -> bool:
    """Whether a command is asked for the version of this project, which is printed then."""
    asked = "--version" in arguments
    if asked:
        print(VERSION)
    return asked


def run_cli(
    work: Callable[[], int | None],
    *,
    interrupted: str = AGAIN,
    before: str = "",
    redact: Callable[[str], str] = str,
    disk: ExitCode = ExitCode.USER,
) -> int:
    """The exit code of `work()`, which is what it returns (None is 0), or what its error means, told on stderr.

    `before` stands before the sentence of an error, `redact` takes out of it what must not be shown; `disk` is the code
    of what the system refused. Who closed the pipe (`| head`) is told nothing.
    """
    try:
        code = work()
        sys.stdout.flush()
        return code or ExitCode.DONE
    except KeyboardInterrupt:
        if interrupted:
            print(interrupted, file=sys.stderr)
        return ExitCode.INTERRUPTED
    except (UserError, CorruptFile, OSError) as e:
        if isinstance(e, BrokenPipeError) and _nobody_reads():
            return ExitCode.DONE
        said = in_words(e) if isinstance(e, OSError) else str(e)
        print(before + printable(redact(said)), file=sys.stderr)
        return disk if isinstance(e, OSError) else ExitCode.USER


def _nobody_reads() -> bool:
    """Whether it is standard output whose reader is gone; then what is left of it goes nowhere."""
    asked = select.poll()
    asked.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(event & select.POLLERR for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def enter(arguments: list[str], about: str, work: Callable[[list[str]], None]) -> int:
    """`run_cli` of `work(arguments)`; without arguments, or asked for help, `about` is printed instead."""
    if is_version(arguments):
        return ExitCode.DONE
    if not arguments or {"-h", "--help"} & set(arguments):
        print(about.strip())
        return ExitCode.DONE if arguments else ExitCode.USER
    return run_cli(lambda: work(arguments), interrupted="stopped; nothing half made is left")
