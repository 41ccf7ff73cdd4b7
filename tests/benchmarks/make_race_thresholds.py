"""What `make race-thresholds` draws: sweeps/race/thresholds.csv, the thresholds of races at 5 %, by rule, cells, k
and rounds.

F: of the fair bets themselves at a known x, where all cells are tied: counts are binomial, so it holds for every
distribution. F-pairs: the same over all ordered pairs. S: of the evidence (the least over x) of equal continuous
cells; ranks alone enter. S-pairs: the same over all ordered pairs, of up to `MOST_PAIRED` cells.

F and S cover the pairs in which one best cell may wrongly be beaten, and one pair back, so that two cells tied for
the best are covered too: as many pairs as cells. A threshold is the .95 quantile of the largest value over these
pairs and the looks of rounds 2 to the last; more cells and more rounds only add to them.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sweeps.race.evidence import evidence_paths, level, table
from sweeps.race.thresholds import FILE, FIRST, GUARD, KS, MOST_CELLS, MOST_PAIRED, MOST_ROUNDS, PER_ROUND

ERROR = 0.05
ABOVE = 0.001  # what is met by chance is no claim: evidence of few runs has few values
CHUNK = 500
LOOKS = [PER_ROUND * rounds for rounds in range(FIRST, MOST_ROUNDS + 1)]
CELLS = range(2, MOST_CELLS + 1)
CELLS_AFTER = range(1, MOST_CELLS)  # the first one


def fair_bets(rng: np.random.Generator, draws: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """(rule, k, largest values so far of shape (draws, cells, looks)) for F and F-pairs."""
    for k in KS:
        best, pairs = (np.empty((draws, len(CELLS), len(LOOKS)), np.float32) for _ in range(2))
        for first in range(0, draws, CHUNK):
            part = slice(first, min(first + CHUNK, draws))
            size = (part.stop - first, MOST_CELLS, MOST_ROUNDS)
            counts = rng.binomial(PER_ROUND, level(k), size=size).cumsum(axis=2)
            for number, n in enumerate(LOOKS):
                c = counts[:, :, number + FIRST - 1]
                won = table(n, level(k))[c[:, :, None], c[:, None, :]]  # of a against b
                best[part, :, number] = np.maximum(np.maximum.accumulate(won[:, 1:, 0], axis=1), won[:, 0, 1, None])
                of_new = [np.maximum(won[:, :m, m].max(axis=1), won[:, m, :m].max(axis=1)) for m in CELLS_AFTER]
                pairs[part, :, number] = np.maximum.accumulate(np.stack(of_new, axis=1), axis=1)
        yield "F", k, best
        yield "F-pairs", k, pairs


def evidences(rng: np.random.Generator, draws: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """The same for S."""
    most = np.empty((len(KS), draws, len(CELLS), len(LOOKS)), np.float32)
    levels = [level(k) for k in KS]
    for first in range(0, draws, CHUNK):
        part = slice(first, min(first + CHUNK, draws))
        cells = rng.random((MOST_CELLS, part.stop - first, LOOKS[-1]))
        back = evidence_paths(cells[0], cells[1], LOOKS, levels, 0.0)
        for m in CELLS_AFTER:
            back = np.maximum(back, evidence_paths(cells[m], cells[0], LOOKS, levels, 0.0))
            most[:, part, m - 1] = back
        print(f"{part.stop} of {draws}", file=sys.stderr, flush=True)
    yield from (("S", k, most[which]) for which, k in enumerate(KS))


def paired_evidences(rng: np.random.Generator, draws: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """The same for S-pairs, which are never below the guard."""
    most = np.empty((len(KS), draws, MOST_PAIRED - 1, len(LOOKS)), np.float32)
    levels = [level(k) for k in KS]
    for first in range(0, draws, CHUNK):
        part = slice(first, min(first + CHUNK, draws))
        cells = rng.random((MOST_PAIRED, part.stop - first, LOOKS[-1]))
        so_far = np.full((len(KS), part.stop - first, len(LOOKS)), -np.inf)
        for m in range(1, MOST_PAIRED):
            for other in range(m):
                for a, b in ((m, other), (other, m)):
                    so_far = np.maximum(so_far, evidence_paths(cells[a], cells[b], LOOKS, levels, GUARD))
            most[:, part, m - 1] = so_far
        print(f"{part.stop} of {draws}", file=sys.stderr, flush=True)
    yield from (("S-pairs", k, most[which]) for which, k in enumerate(KS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    draws, rng = parser.parse_args().draws, np.random.default_rng(20)
    rows = []
    for rule, k, values in (
        *evidences(rng, draws),
        *fair_bets(rng, draws),
        *paired_evidences(np.random.default_rng(21), draws),
    ):
        found = np.quantile(np.maximum.accumulate(values, axis=2), 1 - ERROR, axis=0, method="higher")
        for cells, line in zip(CELLS, found, strict=False):
            rows.append([rule, cells, k, *(f"{max(x, 0) + ABOVE:.3f}" for x in line)])
    with Path(FILE).open("w", newline="") as f:
        f.write(f"# {draws} draws; made by tests/benchmarks/make_race_thresholds.py\n")
        csv.writer(f, lineterminator="\n").writerows([["rule", "cells", "k", *range(FIRST, MOST_ROUNDS + 1)], *rows])


if __name__ == "__main__":
    main()
