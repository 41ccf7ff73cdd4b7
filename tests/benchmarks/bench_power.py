"""What `make bench-power` simulates: whether a predicted power of 80 % is then seen. Ends with 1 where not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from power_simulated import Seen, by_pilots, by_races, by_the_tests

from sweeps.race.power import assumed

SURE, SLACK = 2.6, 0.05


def _tell(what: str, seen: Seen) -> None:
    print(f"{what}, {seen.power:.3f} ({seen.error:.3f})", flush=True)


def main() -> int:
    """Print a line a scene."""
    failed = 0
    for cells, k, ratio, sets in (
        *((2, 1, 1.2, 1000), (2, 1, 1.5, 1000), (4, 1, 1.5, 1000), (6, 1, 1.5, 500), (8, 1, 1.5, 300)),
        *((6, 1, 2.0, 500), (2, 2, 1.5, 1000), (2, 3, 1.3, 500), (2, 5, 1.5, 500), (2, 10, 1.5, 300), (4, 3, 1.5, 500)),
    ):
        seen = by_the_tests(assumed(cells, 0.4, ratio), k, sets)
        failed += abs(seen.power - 0.8) > SLACK + SURE * seen.error
        _tell(f"tests, {cells} cells, k = {k}, ratio {ratio}: {seen.runs:.0f} runs a cell", seen)
    for cells, k, ratio in ((4, 1, 1.5), (8, 1, 1.5), (4, 3, 1.5)):
        for certify in (False, True):
            seen = by_races(assumed(cells, 0.4, ratio), k, 1000, certify)
            failed += abs(seen.power - 0.8) > SLACK + SURE * seen.error
            name = "certified" if certify else "calibrated"
            _tell(f"race, {name}, {cells} cells, k = {k}, ratio {ratio}: {seen.runs:.0f} runs", seen)
    for runs in (5, 10, 24):
        for word in (False, True):
            piloted = by_pilots(4, 0.4, 0.5, runs, 150, word)
            failed += not word and abs(piloted.power - 0.8) > SLACK + SURE * piloted.error
            name = "at its word" if word else "with its error"
            told = ", ".join(f"{p:.2f} for {t:.2f}" for p, t in zip(piloted.predicted, piloted.true, strict=True))
            print(f"pilot of {runs}, {name}: {piloted.power:.3f} ({piloted.error:.3f}), {piloted.never} never; {told}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
