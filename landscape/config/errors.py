"""User errors and exit codes. A `UserError` is shown as one message without a traceback, with exit code 2."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path

OURS = f"{Path(__file__).parents[1]}{os.sep}"  # the package's own files
# System errors that affect all runs: disk full, quota exceeded, read-only file system.
UNWRITABLE = ("ENOSPC", "EDQUOT", "EROFS")


class ExitCode(IntEnum):
    """Exit codes of this project's processes. 1 is also Python's own code for an unhandled exception."""

    # Of commands.
    DONE = 0
    UNFINISHED = 1  # some runs are not finished
    USER = 2
    INTERRUPTED = 130
    # Of workers, read by the controller.
    PREEMPTED = 75  # stopped on request, checkpoint written
    CLAIMED = 76  # another worker holds the run
    FAILED = 77  # the failure of the run, or of its scoring, is recorded in the store


class UserError(Exception):
    """Invalid input: what was given, what is legal, and where to look."""


class EarlyExit(Exception):
    """Help, version or completion was printed; the command has nothing else to do."""


class CorruptFile(Exception):
    """A file of the store that cannot be read as its kind. The message names the file and the fault."""


def os_error_text(error: OSError) -> str:
    """Message for an `OSError`. Files of the store are written atomically, so finished work is safe."""
    return f"{error.filename or 'the store'}: {error.strerror or error}; nothing that was finished is lost"


def error_name(error: BaseException | None) -> str | None:
    """Name ("ENOSPC") of the `OSError` that an exception is or was caused by; None if there is none."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return errno.errorcode.get(error.errno)
        error = error.__cause__ or error.__context__
    return None


def fault_of(error: BaseException) -> str:
    """Type and place of an exception, by which failures of one cause are told from others: "UserError in load_data"."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)] or frames
    return type(error).__name__ + (f" in {ours[-1].name}" if ours else "")


def nearest(given: str, legal: Iterable[str]) -> str:
    """' (did you mean ...?)' with the legal name closest to `given`; empty if none is close."""
    close = get_close_matches(given, list(legal), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
