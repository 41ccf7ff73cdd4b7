"""What `make bench-replay STORE=outputs` finds out from a finished study, without training: what races of its cells
would have cost, whether partial runs would have made its answers cheaper, and what rules of searches would have saved.

The store needs a grid with seeds or a random search; docs/race.md has the figures of the small digits study. Hours are
of the processor. `--orders 100` replays fewer orders.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

import analysis
from landscape.store import DIVERGED, DONE
from landscape.store.trials import CONFIRM
from sweeps.race.question import Question
from sweeps.race.replay import read_table, replay
from sweeps.search.replay import Curve, replay_search

KS, WITHIN = (1, 3, 5, 10), (None, 1.5, 2.0, 3.0)
BATCHES = 10  # of orders, whose medians tell the standard error


def races(runs: pd.DataFrame, orders: int) -> None:
    """For each question and k: the share of the grid's hours until the race ends, and how often it is right."""
    timed = runs.assign(train_s=runs["train_cpu_s"], eval_s=runs["eval_cpu_s"])
    with tempfile.TemporaryDirectory() as folder:
        timed.to_csv(Path(folder) / "runs.csv", index=False)
        cells = read_table(Path(folder) / "runs.csv")
    sizes = sorted({len(cell.distances) for cell in cells})
    print(f"races: {len(cells)} cells of {sizes} runs, {orders} orders a line, 20 workers")
    print("question      k  kind        hours (se)    clock  runs   right wrong undecided certified")
    for within, k, certify in itertools.product(WITHIN, KS, (False, True)):
        question = Question(len(cells), k, within, certify=certify)
        parts = [replay(cells, question, orders // BATCHES, 20, seed) for seed in range(BATCHES)]
        hours = np.array([part.hours for part in parts])
        clock, run, right, wrong, undecided, sure = np.mean(
            [(p.clock, p.runs, p.right, p.wrong, p.undecided, p.certified) for p in parts], axis=0
        )
        what = "best" if within is None else f"within {within:g}"
        kind = "certified" if certify else "calibrated"
        print(
            f"{what:<12} {k:>2}  {kind:<10} {hours.mean():5.2f} ({hours.std(ddof=1) / BATCHES**0.5:.3f})"
            f"  {clock:5.2f}  {run:4.2f}  {right:6.2f} {wrong:5.3f} {undecided:8.2f} {sure:8.2f}"
        )


def least_cost(rho: float, f: float) -> float:
    """The hours of partial runs beside those of whole ones, at the same variance of a mean, with the best share of
    runs continued: `rho` is the correlation of early and final value, `f` the share of the steps that all make."""
    angle = np.arcsin(np.clip(rho, 0, 1)) - np.arcsin(f**0.5)
    return float(np.cos(angle) ** 2) if angle > 0 else 1.0


def estimates(
    early: np.ndarray, final: np.ndarray, f: float, share: float, hours: float, rng: np.random.Generator, draws: int
) -> tuple[float, float]:
    """Root mean square errors of a cell's mean final value, at equal hours (in whole runs): of whole runs alone, and of
    partial runs of which a random share is continued, by prediction-powered inference with a fitted factor (PPI++).
    Runs are drawn from the recorded ones with replacement."""
    truth, n = final.mean(), len(final)
    whole = final[rng.integers(0, n, (draws, round(hours)))].mean(axis=1)
    begun = int(hours / (f + share * (1 - f)))
    ended = max(3, round(share * begun))
    picked = rng.integers(0, n, (draws, begun))
    x, y = early[picked], final[picked[:, :ended]]
    seen = x[:, :ended]
    centered = seen - seen.mean(axis=1, keepdims=True)
    spread = (centered**2).sum(axis=1)
    slope = (centered * (y - y.mean(axis=1, keepdims=True))).sum(axis=1) / np.where(spread > 0, spread, 1)
    factor = slope * (1 - ended / begun)  # of the labelled runs' own early values, so that the rest counts as it should
    rest = x[:, ended:].mean(axis=1)
    powered = y.mean(axis=1) + factor * (rest - seen.mean(axis=1))
    errors = [float(np.sqrt(((made - truth) ** 2).mean())) for made in (whole, powered)]
    return errors[0], errors[1]


def partial(runs: pd.DataFrame, rows: pd.DataFrame, draws: int) -> None:
    """For each fraction of the steps: correlations within cells, the hours they could save, and the errors measured."""
    kept = runs[(runs["stage"] != CONFIRM) & (runs["status"] == "done")].drop_duplicates("id").set_index("id")
    wide = rows[rows["id"].isin(kept.index)].pivot_table(index="id", columns="step", values="fid")
    last, logs = wide.columns.max(), wide.apply(np.log)
    cell, rng = kept["cell"].reindex(wide.index), np.random.default_rng(0)
    print(f"\npartial runs: {len(wide)} runs of {last:g} steps in {cell.nunique()} cells")
    print("share of steps  of      correlation: median (range of cells)  hours at equal variance  error / whole runs'")
    for step in wide.columns[(wide.columns > 0) & (wide.columns < last)]:
        f = float(step / last)
        for what in ("log distance", "below the median"):
            rhos, costs, ratios = [], [], []
            for _, members in cell.groupby(cell):
                early, final = logs.loc[members.index, step].to_numpy(), logs.loc[members.index, last].to_numpy()
                if what != "log distance":
                    early, final = ((v <= np.median(v)).astype(float) for v in (early, final))
                rho = float(np.corrcoef(early, final)[0, 1])
                rhos.append(rho)
                costs.append(least_cost(rho, f))
                # the share to continue that is best for this correlation, which a user would not know beforehand
                best = np.sqrt(f / (1 - f) * max(1 - rho**2, 0.01) / max(rho**2, 0.01))
                if best < 0.95:
                    whole, powered = estimates(early, final, f, float(max(best, 0.2)), 20, rng, draws)
                    ratios.append(powered / whole)
                else:  # to continue all of them, which are whole runs
                    ratios.append(1.0)
            spread = f"{np.median(rhos):5.2f} ({min(rhos):.2f} to {max(rhos):.2f})"
            print(
                f"{f:>8.2f}        {what:<18} {spread:<26} {np.median(costs):8.2f} (best {min(costs):.2f})"
                f"{np.median(ratios):18.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )


def searches(runs: pd.DataFrame, rows: pd.DataFrame, orders: int) -> None:
    """What a rule, or fewer trials, would have saved of each cell's runs in random orders, and what they would miss."""
    kept = runs[(runs["stage"] != CONFIRM) & runs["status"].isin((DONE, DIVERGED))].drop_duplicates("id")
    seconds = (kept["train_cpu_s"] + kept["eval_cpu_s"]).set_axis(kept["id"]) / 3600
    worth, steps = kept.set_index("id")["worth"], kept.set_index("id")["step"]
    cells: dict[str, list[Curve]] = {}
    for name, group in rows[rows["id"].isin(kept["id"]) & (rows["step"] > 0)].groupby("id"):
        group = group.sort_values("step")
        values = [*group["fid"].fillna(np.inf)[:-1], worth[name]]
        hours = (group["step"] / steps[name] * seconds[name]).tolist()
        cells.setdefault(group["cell"].iloc[0], []).append(Curve(values, hours))
    rng, n = np.random.default_rng(0), min(map(len, cells.values()))
    rules: dict[str, Callable[[], BasePruner]] = {
        "none": NopPruner,
        "median, grace 2": lambda: MedianPruner(n_startup_trials=10, n_warmup_steps=2),
        "median, grace 1": lambda: MedianPruner(n_startup_trials=10, n_warmup_steps=1),
        "asha, grace 1": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
        "asha, grace 2": lambda: SuccessiveHalvingPruner(min_resource=2, reduction_factor=4),
    }
    cases = [("none", n // 4), ("none", n // 2), *((name, n) for name in rules)]
    print(f"\nsearches: {len(cells)} cells of {n} trials and more, {orders} orders of each, 4 workers")
    print("rule             trials  hours (se)    clock  kept the best  best found / best there is: median, 90 %")
    for name, trials in cases:
        found = []
        for curves in cells.values():
            whole = replay_search(curves[:n], NopPruner(), 4)
            for _ in range(orders):
                made = replay_search([curves[i] for i in rng.permutation(n)[:trials]], rules[name](), 4)
                found.append((made.hours / whole.hours, made.clock / whole.clock, made.best / whole.best))
        hours, clock, ratio = np.array(found).reshape(len(cells), orders, 3).transpose(2, 0, 1)
        print(
            f"{name:<16} {trials:>6}  {hours.mean():5.2f} ({hours.mean(axis=0).std(ddof=1) / orders**0.5:.3f})"
            f"  {clock.mean():5.2f}  {(ratio == 1).mean():13.2f}  {np.median(ratio):.2f}, {np.quantile(ratio, 0.9):.2f}"
        )


def main() -> int:
    """Print what the store of the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--orders", type=int, default=1000)
    given = parser.parse_args()
    runs, rows = analysis.load(given.store), analysis.load_rows(given.store)
    races(runs, given.orders)
    partial(runs, rows, given.orders)
    searches(runs, rows, given.orders // 10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
