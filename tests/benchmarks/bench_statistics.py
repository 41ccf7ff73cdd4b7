"""What `make bench-statistics` simulates: how often the report's claims are false, and how often a true difference is
claimed. A line each: what is asked, what was seen, its Monte-Carlo error. It ends with 1 where a line fails.

`--sets 0.1` makes a tenth of the sets.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import numpy as np
from claims_simulated import Design, rates
from numpy.typing import ArrayLike

from analysis.estimators.bands import level, quantiles
from analysis.estimators.effects import difference_of_medians
from analysis.estimators.families import claims

SURE = 2.6  # standard errors: one line in two hundred would fail were it just met


class Line(NamedTuple):
    """One bar: `asked` is the most (of false claims) or the least (of power and coverage) that may be seen."""

    name: str
    kind: str
    asked: float
    seen: float
    error: float
    sets: int

    @property
    def met(self) -> bool:
        slack = SURE * self.error + (0.03 if self.kind == "power" else 0.0)
        return self.seen <= self.asked + slack if self.kind == "false" else self.seen >= self.asked - slack


def false(name: str, asked: float, design: Design, sets: int) -> Line:
    seen = rates(design, sets)
    return Line(name, "false", asked, seen.false, seen.false_error, sets)


def power(name: str, asked: float, design: Design, sets: int) -> Line:
    seen = rates(design, sets)
    return Line(name, "power", asked, seen.power, seen.power_error, sets)


def told_apart(name: str, asked: float, design: Design, sets: int) -> Iterator[Line]:
    """Two lines: that the two are told apart, and that the better one is named, which fewer than nine runs make harder
    (their spreads must look alike: it costs five per cent at five runs)."""
    seen = rates(design, sets)
    yield Line(f"{name}, told apart", "power", asked, seen.apart, seen.power_error, sets)
    yield Line(f"{name}, the better one named", "power", asked - 0.05, seen.power, seen.power_error, sets)


def two_cells(scale: float) -> Iterator[Line]:
    """Two cells, k = 1 and more; false claims as in the sheet, power at a shift of 1, 2 and 3 sd."""
    sets = int(2000 * scale)
    sizes = {
        5: (0.038, 0.066, 0.059, 0.043, 0.047, 0.019),
        6: (0.029, 0.042, 0.042, 0.035, 0.045, 0.024),
        8: (0.050, 0.061, 0.066, 0.048, 0.046, 0.034),
        10: (0.048, 0.058, 0.059, 0.049, 0.053, 0.040),
    }
    for n, asked in sizes.items():
        both = (n, n)
        for name, design, most in zip(
            ("equal", "spread 1 : 4", "spread 1 : 10", "t, 2 degrees", "20 % diverge", "ties"),
            (
                Design(both),
                Design(both, spread=(1, 4)),
                Design(both, spread=(1, 10)),
                Design(both, law="t, 2 degrees"),
                Design(both, lost=(0.2,)),
                Design(both, law="ties"),
            ),
            asked,
            strict=True,
        ):
            yield false(f"2 cells of {n}, {name}", max(most, 0.05), design, sets if name != "ties" else sets // 4)
    for n, asked_power in {5: (0.24, 0.73, 0.96), 10: (0.53, 0.98, 1.0)}.items():
        for d, least in zip((1, 2, 3), asked_power, strict=True):
            yield from told_apart(f"2 cells of {n}, {d} sd", least, Design((n, n), shift=(0, d)), sets)
    yield false("5 against 20, equal", 0.05, Design((5, 20)), sets)
    yield false("5 against 20, the five wider 1 : 4", 0.06, Design((5, 20), spread=(4, 1)), sets)
    for k, n, most in ((2, 12, 0.05), (3, 20, 0.06), (5, 30, 0.05)):
        yield false(f"2 cells of {n}, k = {k}, equal", 0.05, Design((n, n), k=k), sets)
        yield false(f"2 cells of {n}, k = {k}, spread 1 : 4, equal best", most, _equal_best(n, k), sets)
    yield power("2 cells of 20, k = 3, 1 sd", 0.65, Design((20, 20), shift=(0, 1), k=3), sets)
    yield power("2 cells of 30, k = 5, 1 sd", 0.69, Design((30, 30), shift=(0, 1), k=5), sets)


def _equal_best(n: int, k: int) -> Design:
    """Cells whose best of k are equally often the better one, though one spreads four times as far."""
    # The shift at which the chance is one half: found once, to three digits, by a million draws of the best.
    rng = np.random.default_rng(1)
    narrow, wide = (rng.normal(size=(400_000, k)).min(1) for _ in range(2))
    return Design((n, n), shift=(0.0, float(np.median(narrow - 4 * wide))), spread=(1, 4), k=k)


def families(scale: float) -> Iterator[Line]:
    """Six, eight and twelve cells: any false claim, and power for each true pair, one cell being d sd away."""
    sets = int(1000 * scale)

    def apart(m: int, n: int, d: float) -> Design:
        return Design((n,) * m, shift=(float(d), *(0.0,) * (m - 1)))

    for m, n in ((6, 5), (8, 5), (12, 5), (6, 10)):
        each = sets if m < 12 else sets // 4
        yield false(f"{m} cells of {n}, equal", 0.05, Design((n,) * m), each)
        yield false(f"{m} cells of {n}, 20 % diverge", 0.05, Design((n,) * m, lost=(0.2,)), each)
        yield false(f"{m} cells of {n}, t, 2 degrees", 0.05, Design((n,) * m, law="t, 2 degrees"), each)
        yield false(f"{m} cells of {n}, one spread 10", 0.05, Design((n,) * m, spread=(10, *(1,) * (m - 1))), each)
        for ratio, most in ((4, 0.06), (10, 0.05)):
            shift = tuple(float(100 * (i // 2)) for i in range(m))
            pairs = Design((n,) * m, shift=shift, spread=tuple((1.0, float(ratio))[i % 2] for i in range(m)))
            yield false(
                f"{m} cells of {n}, far-apart pairs of spread 1 : {ratio}",
                max(most, 0.08 * (m == 12)),
                pairs,
                each // 2,
            )
    yield power("6 cells of 5, 3 sd", 0.80, apart(6, 5, 3), sets)
    yield power("6 cells of 10, 2 sd", 0.90, apart(6, 10, 2), sets // 2)
    yield power("8 cells of 5, 3 sd", 0.76, apart(8, 5, 3), sets // 2)
    yield power("8 cells of 10, 2 sd", 0.91, apart(8, 10, 2), sets // 2)
    yield power("12 cells of 5, 3 sd", 0.68, apart(12, 5, 3), sets // 5)


def matched(scale: float) -> Iterator[Line]:
    """Cells that share settings, all or half of them."""
    sets = int(1000 * scale)
    for rho in (0.5, 0.9):
        yield false(f"12 matched settings, correlation {rho}, equal", 0.06, Design((12, 12), alike=rho), sets)
    yield power("12 matched settings, correlation 0.5, 0.5 sd", 0.32, Design((12, 12), (0, 0.5), alike=0.5), sets)
    yield power("12 matched settings, correlation 0.9, 0.5 sd", 0.89, Design((12, 12), (0, 0.5), alike=0.9), sets)
    half = Design((24, 24), (0, 0.5), alike=0.5, shared=12)
    yield power("12 of 24 settings matched, correlation 0.5, 0.5 sd", 0.45, half, sets // 2)
    yield false("12 of 24 settings matched, equal", 0.06, half._replace(shift=(0.0,)), sets // 2)
    seven = Design((7,) * 6, (1.0, *(0.0,) * 5), alike=0.8)
    yield power("6 cells of 7 matched, correlation 0.8, 1 sd", 0.57, seven, sets // 2)
    yield false("6 cells of 7 matched, correlation 0.8, equal", 0.06, seven._replace(shift=(0.0,)), sets // 2)


def seeds(scale: float) -> Iterator[Line]:
    """Random searches of two equal cells where cell x seed has sd 0.3 beside 0.5 between settings, a seed a trial. With
    one seed for all trials of a cell 52, 63 and 73 % are ordered."""
    sets, rng = int(400 * scale), np.random.default_rng(4)
    for n in (24, 60, 120):
        pairs = (np.exp(0.3 * rng.normal(size=(2, n)) + 0.5 * rng.normal(size=(2, n))) for _ in range(sets))
        said = [bool(claims(list(pair))[0, 1].said) for pair in pairs]
        yield share(f"2 equal cells of {n} trials, a seed each", "false", 0.05, said)


def share(name: str, kind: str, asked: float, found: ArrayLike) -> Line:
    hits = np.asarray(found, float)
    return Line(name, kind, asked, float(hits.mean()), float(hits.std() / np.sqrt(len(hits))), len(hits))


def stopped_and_intervals(scale: float) -> Iterator[Line]:
    """Cells of which a rule stopped runs; how often the ratio of medians and the band of the curve cover."""
    sets, rng = int(1000 * scale), np.random.default_rng(5)
    for n in (24, 48):
        said = []
        for _ in range(sets // 2):
            a, b = np.exp(rng.normal(size=(2, n)))
            cut = a > np.median(a)
            low, high = np.where(cut, 0.0, a), np.where(cut, np.inf, a)
            said.append(bool(claims([low, b], highest=[high, b])[0, 1].said))
        yield share(f"2 equal cells of {n}, the worse half of one stopped", "false", 0.05, said)
    said = []
    for _ in range(sets):
        a, b = np.exp(rng.normal(size=10)), np.exp(2 + rng.normal(size=10))
        low, high = (np.where(b == b.max(), end, b) for end in (0.0, np.inf))
        said.append(claims([a, low], highest=[a, high])[0, 1].said == "better")
    yield share("2 cells of 10, 2 sd, the worst run of the worse one stopped", "power", 0.60, said)
    for n, asked in ((5, 0.97), (10, 0.96), (20, 0.95)):
        covered: list[bool] = []
        for _ in range(sets):
            found = difference_of_medians(np.log(2) + rng.normal(size=n), rng.normal(size=n))
            covered.append(bool(found and found.lower <= np.log(2) <= found.upper))
        yield share(f"ratio of medians, {n} against {n}", "coverage", asked, covered)
    for n in (24, 100, 301):
        lower, upper = quantiles(n, level(n, 0.95))
        draws = np.sort(rng.random((5 * sets, n)), axis=1)
        inside = ((draws >= np.minimum(lower, 0.5)) & ((draws <= upper) | (upper > 0.5))).all(axis=1)
        yield share(f"band of the curve of {n} runs, all quantiles up to one half", "coverage", 0.95, inside)


PARTS: tuple[Callable[[float], Iterator[Line]], ...] = (two_cells, families, matched, seeds, stopped_and_intervals)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=float, default=1.0, metavar="SHARE", help="of the simulations (default: all)")
    scale, failed = parser.parse_args().sets, 0
    print("| what | asked | seen | error | simulations | |\n|---|---|---|---|---|---|")
    for part in PARTS:
        begun = time.monotonic()
        for line in part(scale):
            failed += not line.met
            asked = f"{'<=' if line.kind == 'false' else '>='} {line.asked:.2f} {line.kind}"
            seen = f"{line.seen:.3f} | {line.error:.3f} | {line.sets}"
            print(f"| {line.name} | {asked} | {seen} | {'met' if line.met else 'MISSED'} |", flush=True)
        print(f"{part.__name__}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
