"""What evaluation costs beside training: its share of the seconds, as it was and at the study's cadence."""

from __future__ import annotations

import pandas as pd

from analysis.estimators.early_stopping import share
from analysis.loading.clocks import costed, time_of
from analysis.tables.formatting import percent
from landscape.config.text import duration

CADENCE = 10_000  # D updates between two evaluations: the default on the study's data sets, whose paper names none
MOST = 0.05  # of a run's time, at that cadence


def evaluation(runs: pd.DataFrame) -> list[str]:
    """A sentence for each data set whose runs were evaluated; `runs` is a frame of `load`, all protocols together."""
    said = []
    for data, part in runs.groupby("data", sort=True):
        single = costed(part.drop_duplicates("id"))
        count, steps = int(part["evaluations"].sum()), int(single["step"].sum())
        train_s, eval_s = float(single["train_s"].sum()), float(single["eval_s"].sum())
        if count == 0 or steps == 0 or train_s == 0:
            continue
        one, update = eval_s / count, train_s / steps
        at_cadence = share(one, CADENCE * update)
        text = (
            f"On {data}, evaluation took {percent(share(eval_s, train_s))} of the {time_of(single)}: "
            f"{duration(one)} each on average, as much as {one / update:,.0f} D updates, and one for every "
            f"{steps / count:,.0f}. Every {CADENCE:,} D updates it would take {percent(at_cadence)}"
        )
        if at_cadence > MOST:
            text += (
                f", more than {100 * MOST:g} %: an evaluation of so many samples is dear beside so small a network's "
                "updates; fewer samples (metrics.n_fake) or evaluations (metrics.every) cost less"
            )
        said.append(text + ".")
    return said
