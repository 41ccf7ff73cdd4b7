"""Which seconds count as the cost of runs: those of the processor where all have them on record, else the clock's.

The clock also counts what else the machine had to do meanwhile. Never are both in one sum or comparison.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

CPU = {"train_s": "train_cpu_s", "eval_s": "eval_cpu_s"}  # by the clock, and by the processor


def by_cpu(runs: pd.DataFrame) -> bool:
    """Whether the cost of these runs is their CPU seconds; a run that has none (a GPU's, an old one) makes it False."""
    return len(runs) > 0 and bool(runs[[*CPU.values()]].notna().all(axis=None))


def costed(runs: pd.DataFrame) -> pd.DataFrame:
    """`runs` with `train_s` and `eval_s` being the seconds that count as cost."""
    return runs.assign(**{wall: runs[cpu] for wall, cpu in CPU.items()}) if by_cpu(runs) else runs


def time_of(runs: pd.DataFrame) -> str:
    """What the seconds that count are called."""
    return "CPU time" if by_cpu(runs) else "time"


def with_clocks(names: Iterable[str], runs: pd.DataFrame) -> list[str]:
    """The columns of a table of `runs`: those of the processor only where they count."""
    return [name for name in names if by_cpu(runs) or name not in CPU.values()]


def unseen(columns: Iterable[str]) -> set[str]:
    """Of a table's columns those that are not shown, since what the processor worked stands beside them."""
    there = set(columns)
    return {wall for wall, cpu in CPU.items() if cpu in there}
