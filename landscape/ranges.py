"""Legal ranges of configuration keys: what a value must pass, and the same in words. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Legal(NamedTuple):
    """The test that a value must pass where it is not null, and the legal values in words."""

    test: Callable[[Any], bool]
    words: str
    values: tuple[str, ...] = ()  # all of them, where they are names


# Of counts that cost neither memory nor processes; what is larger is a slip of the keyboard.
MOST = 10**9


def one_of(*values: str) -> Legal:
    """One of these names."""
    """One of these words."""
    return Legal(lambda v: v in values, ", ".join(values), values)


def listed_of(*values: str) -> Legal:
    """A list of names."""
    return Legal(lambda v: set(v) <= set(values), "a list out of " + ", ".join(values), values)


def at_least(least: int, most: int = MOST) -> Legal:
    """A whole number; `most` is beyond all use, and stops what would eat the machine before it fails."""
    return Legal(lambda v: least <= v <= most, f"{least} to {most:,}")


def positive(most: float = math.inf) -> Legal:
    """A finite number above 0."""
    """Over 0 and up to `most`; infinity is not legal."""
    words = "a positive number" if most == math.inf else f"a positive number up to {most:g}"
    return Legal(lambda v: 0 < v <= most and v < math.inf, words)


def above(least: float) -> Legal:
    """A finite number above another."""
    """Over `least`; infinity is not legal."""
    return Legal(lambda v: least < v < math.inf, f"a number over {least:g}")


def between(low: float, high: float) -> Legal:
    """A number strictly between two others."""
    return Legal(lambda v: low < v < high, f"a number between {low:g} and {high:g}")


def matching(pattern: str, words: str) -> Legal:
    """A text that a regular expression matches, whole."""
    return Legal(lambda v: re.fullmatch(pattern, v) is not None, words)


def given(words: str) -> Legal:
    """A text that is not empty."""
    return Legal(bool, words)


SEED = Legal(lambda v: 0 <= v < 2**63, "0 or more, under 2^63")
FRACTION = Legal(lambda v: 0 <= v < 1, "at least 0 and under 1")
NOT_NEGATIVE = Legal(lambda v: 0 <= v < math.inf, "0 or more")


def minutes(text: str) -> int | None:
    """A job's time limit in minutes, rounded up; None for what is neither minutes nor [days-]hours:minutes:seconds."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text)
    if match is None:
        return int(text) if text.isdecimal() and int(text) > 0 else None
    days, hours, minute, second = (int(part or 0) for part in match.groups())
    return math.ceil(days * 1440 + hours * 60 + minute + second / 60) or None


def gigabytes(text: str) -> float | None:
    """A size with its unit (M, G or T) in GB; None for what is none."""
    match = re.fullmatch(r"(\d+)([MGT])B?", text)
    return None if match is None or int(match[1]) == 0 else int(match[1]) * {"M": 1 / 1024, "G": 1, "T": 1024}[match[2]]


TIME = Legal(lambda v: minutes(v) is not None, "minutes (90), or [days-]hours:minutes:seconds (4:00:00)")
MEMORY = Legal(lambda v: gigabytes(v) is not None, "a size such as 4G or 500M")
