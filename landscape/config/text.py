"""Text from data, as a terminal may be shown it. No torch."""

from __future__ import annotations

import re

# Controls of a terminal (but tab and line break), what turns the direction of writing, and halves of characters, which
# no output can encode.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plural(n: int, what: str) -> str:
    """A count with its noun: "1 run", "2 runs", "1,000 runs"."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def printable(text: object) -> str:
    """`text` with its control characters spelled: what a file says moves no cursor and sets no title.

    It stands where text leaves the program, once, and nowhere before.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(text))
