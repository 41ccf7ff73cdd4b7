"""Text formatting for terminals. No torch."""

from __future__ import annotations

import re

# Control characters except tab and newline, characters that change the writing direction, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plural(n: int, what: str) -> str:
    """A count with its noun: "1 run", "2 runs", "1,000 searches"."""
    return f"{n:,} {what}{('es' if what.endswith(('s', 'x', 'ch', 'sh')) else 's') * (n != 1)}"


def duration(seconds: float) -> str:
    """A readable duration: "0.4 s", "42 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". Never "0 s" for a positive time."""
    if 0 < seconds < 9.95:
        return f"{max(0.1, seconds):.1f} s".replace(".0", "")
    whole = round(seconds)
    for size, unit, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + f" {rest} {small}" * (rest > 0)
    return f"{whole} s"


def printable(text: object) -> str:
    """`text` with control characters escaped, so that it cannot move the cursor or set a title.

    Call it once, where text leaves the program.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(text))
