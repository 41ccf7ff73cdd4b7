"""The one kind of error that is the user's to mend: a sentence, no traceback, exit code 2."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum

# Errors of the system that stop every run and not one alone: a full disk, a quota, a file system that is read-only.
UNWRITABLE = ("ENOSPC", "EDQUOT", "EROFS")


class ExitCode(IntEnum):
    """How a process of this project ends; Python's own 1 is also a crash that could not even be recorded."""

    # Of a command, as its user sees them.
    DONE = 0
    UNFINISHED = 1  # some run is not finished
    USER = 2
    INTERRUPTED = 130
    # Of a worker, for the controller that started it.
    PREEMPTED = 75  # asked to stop, checkpoint written
    CLAIMED = 76  # somebody else works on the run
    FAILED = 77  # the run is on record as failed, or a request for scores as not met


class UserError(Exception):
    """What was given, what is legal and where to look, in one sentence (or one a line)."""


class Answered(Exception):
    """The command line asked for help, the version or a completion, which is printed: there is nothing else to do."""


class CorruptFile(Exception):
    """A file of the store that does not read as what it should be; its text names the file and what is wrong."""


def in_words(error: OSError) -> str:
    """What the system did not do, in a sentence; all that is in the store is written whole or not at all."""
    return f"{error.filename or 'the store'}: {error.strerror or error}; nothing that was finished is lost"


def error_name(error: BaseException | None) -> str | None:
    """The system's name ("ENOSPC") of the error that an exception is or came of; None where it came of none."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return errno.errorcode.get(error.errno)
        error = error.__cause__ or error.__context__
    return None


def nearest(given: str, legal: Iterable[str]) -> str:
    """' (did you mean ...?)' when something legal is close to `given`, else an empty string."""
    close = get_close_matches(given, list(legal), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
