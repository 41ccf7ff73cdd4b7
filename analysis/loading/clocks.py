"""Which seconds are the cost of runs: CPU time if every run has it on record, else wall-clock time.

Wall-clock time includes other load on the machine. The two are never summed or compared with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from landscape.store.run_meta import RunMeta

BUSY = {"train_s": "train_busy_s", "eval_s": "eval_busy_s"}  # wall-clock seconds of a record -> its CPU seconds
CPU = {"train_s": "train_cpu_s", "eval_s": "eval_cpu_s"}  # wall-clock column -> CPU column


def by_cpu(runs: pd.DataFrame) -> bool:
    """Whether the cost of these runs is CPU seconds: False if any run lacks them (GPU runs, old runs)."""
    return len(runs) > 0 and bool(runs[[*CPU.values()]].notna().all(axis=None))


def costed(runs: pd.DataFrame) -> pd.DataFrame:
    """`runs` with the seconds that count as cost in `train_s` and `eval_s`."""
    return runs.assign(**{wall: runs[cpu] for wall, cpu in CPU.items()}) if by_cpu(runs) else runs


def spent(runs: pd.DataFrame, meta: Mapping[str, RunMeta], key: str) -> float:
    """The seconds that these runs took together: what a run has taken over from a shorter one of them counts once."""
    total = float(costed(runs)[key].sum())
    for run in runs.loc[runs["continues"].isin(runs["id"]), "id"]:
        continues = meta[run].continues
        shared = getattr(continues, BUSY[key] if by_cpu(runs) else key, None) if key in BUSY else None
        total -= shared or 0.0
    return total


def time_of(runs: pd.DataFrame) -> str:
    """The name of the seconds that count: "CPU time" or "time"."""
    return "CPU time" if by_cpu(runs) else "time"


def with_clocks(names: Iterable[str], runs: pd.DataFrame) -> list[str]:
    """The columns of a table of `runs`: those of the processor only where they count."""
    return [name for name in names if by_cpu(runs) or name not in CPU.values()]


def unseen(columns: Iterable[str]) -> set[str]:
    """Of a table's columns those that are not shown, since what the processor worked stands beside them."""
    there = set(columns)
    return {wall for wall, cpu in CPU.items() if cpu in there}
