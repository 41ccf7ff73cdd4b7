"""Legal ranges of configuration keys: a test and its description. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Legal(NamedTuple):
    """A test of values that are not null, and the legal values in words."""

    test: Callable[[Any], bool]
    words: str
    values: tuple[str, ...] = ()  # all legal values, if they are names


# Upper bound of counts that cost neither memory nor processes. Larger values are typos.
MOST = 10**9


def one_of(*values: str) -> Legal:
    """One of these names."""
    return Legal(lambda v: v in values, ", ".join(values), values)


def listed_of(*values: str) -> Legal:
    """A list of names out of these."""
    return Legal(lambda v: set(v) <= set(values), "a list of " + ", ".join(values), values)


def at_least(least: int, most: int = MOST) -> Legal:
    """An integer from `least` to `most`."""
    return Legal(lambda v: least <= v <= most, f"{least} to {most:,}")


def or_word(legal: Legal, word: str) -> Legal:
    """An integer in this range, or this word."""
    return Legal(lambda v: v == word or (isinstance(v, int) and legal.test(v)), f"{legal.words}, or {word}")


def positive(most: float = math.inf) -> Legal:
    """A finite number above 0 and up to `most`."""
    words = "a positive number" if most == math.inf else f"a positive number up to {most:g}"
    return Legal(lambda v: 0 < v <= most and v < math.inf, words)


def above(least: float) -> Legal:
    """A finite number above `least`."""
    return Legal(lambda v: least < v < math.inf, f"a number above {least:g}")


def between(low: float, high: float) -> Legal:
    """A number strictly between `low` and `high`."""
    return Legal(lambda v: low < v < high, f"a number between {low:g} and {high:g}")


def matching(pattern: str, words: str) -> Legal:
    """A string that a regular expression matches as a whole."""
    return Legal(lambda v: re.fullmatch(pattern, v) is not None, words)


def given(words: str) -> Legal:
    """A string that is not empty."""
    return Legal(bool, words)


SEED = Legal(lambda v: 0 <= v < 2**63, "0 to 2^63 - 1")
FRACTION = Legal(lambda v: 0 <= v < 1, "0 or more and below 1")
NOT_NEGATIVE = Legal(lambda v: 0 <= v < math.inf, "0 or more")


def minutes(text: str) -> int | None:
    """A job's time limit in minutes, rounded up. None unless `text` is minutes or [days-]hours:minutes:seconds."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text)
    if match is None:
        return int(text) if text.isdecimal() and int(text) > 0 else None
    days, hours, minute, second = (int(part or 0) for part in match.groups())
    return math.ceil(days * 1440 + hours * 60 + minute + second / 60) or None


def gigabytes(text: str) -> float | None:
    """A size with unit M, G or T, in GB. None if `text` is not a size."""
    match = re.fullmatch(r"(\d+)([MGT])B?", text)
    return None if match is None or int(match[1]) == 0 else int(match[1]) * {"M": 1 / 1024, "G": 1, "T": 1024}[match[2]]


TIME = Legal(lambda v: minutes(v) is not None, "minutes (90), or [days-]hours:minutes:seconds (4:00:00)")
MEMORY = Legal(lambda v: gigabytes(v) is not None, "a size such as 4G or 500M")
