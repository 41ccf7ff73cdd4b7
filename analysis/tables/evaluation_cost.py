"""The cost of evaluation: its share of the time, as measured and at the paper data sets' default interval."""

from __future__ import annotations

import pandas as pd

from analysis.estimators.early_stopping import share
from analysis.loading.clocks import costed, time_of
from analysis.tables.formatting import percent
from landscape.config.text import duration

INTERVAL = 10_000  # D updates between evaluations: the default on the paper's data sets
MAX_SHARE = 0.05  # of a run's time; above, the page says how to spend less


def evaluation_sentences(runs: pd.DataFrame) -> list[str]:
    """A sentence per data set with evaluations; `runs` is a frame of `load`, all protocols together."""
    sentences = []
    for data, part in runs.groupby("data", sort=True):
        single = costed(part.drop_duplicates("id"))
        count, steps = int(part["evaluations"].sum()), int(single["step"].sum())
        train_s, eval_s = float(single["train_s"].sum()), float(single["eval_s"].sum())
        if count == 0 or steps == 0 or train_s == 0:
            continue
        one = eval_s / count
        text = (
            f"On {data}, evaluation took {percent(share(eval_s, train_s))} of the {time_of(single)}: "
            f"{duration(one)} each, every {steps / count:,.0f} D updates on average."
        )
        at_interval = share(one, INTERVAL * train_s / steps)
        if at_interval > MAX_SHARE:
            text += (
                f" Even every {INTERVAL:,} D updates it would take {percent(at_interval)}. Fewer samples "
                "(metrics.n_fake) make it cheaper."
            )
        sentences.append(text)
    return sentences
