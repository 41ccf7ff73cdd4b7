"""The one kind of error that is the user's to mend: a sentence, no traceback, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_USER = 2


class UserError(Exception):
    """What was given, what is legal and where to look, in one sentence (or one a line)."""


def nearest(given: str, legal: Iterable[str]) -> str:
    """' (did you mean ...?)' when something legal is close to `given`, else an empty string."""
    close = get_close_matches(given, list(legal), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
