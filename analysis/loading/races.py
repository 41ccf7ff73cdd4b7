"""The races of a store: what each has asked, counted and claimed, from its race.json."""

from __future__ import annotations

from contextlib import suppress

import pandas as pd

from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.races import Race


def read_races(store: Store, problems: list[str]) -> dict[str, Race]:
    """The races that have looked at their runs, by name. Appends a sentence to `problems` for each unreadable one."""
    found = {}
    for folder in store.sweep_folders():
        with suppress(FileNotFoundError):
            try:
                race = folder.race()
            except CorruptFile as e:
                problems.append(str(e))
                continue
            if race.claim is not None:
                found[folder.name] = race
    return found


def looks_frame(race: Race) -> pd.DataFrame:
    """A row for each look and cell that was left: runs and hours of the race by then, the cell's quantile (infinite
    where that many runs had diverged), and the most evidence that some other cell is better (0 for none)."""
    rows = []
    for look in race.claim.looks if race.claim else ():
        against: dict[int, float] = {}
        for _, b, value in look.evidence:
            against[b] = max(value, against.get(b, 0.0))
        for cell, value in look.quantiles:
            quantile = float("inf") if value is None else float(value)
            rows.append((look.round, look.spent, look.hours, cell, quantile, against.get(cell, 0.0)))
    return pd.DataFrame(rows, columns=["round", "runs", "hours", "cell", "quantile", "against"])


def pairs_frame(race: Race) -> pd.DataFrame:
    """A row for each ordered pair with evidence: the most of it, and the round in which that was seen."""
    most: dict[tuple[int, int], tuple[float, int]] = {}
    for look in race.claim.looks if race.claim else ():
        for a, b, value in look.evidence:
            if value > most.get((a, b), (0.0, 0))[0]:
                most[a, b] = (value, look.round)
    rows = [(a, b, value, number) for (a, b), (value, number) in sorted(most.items())]
    return pd.DataFrame(rows, columns=["a", "b", "evidence", "round"])
