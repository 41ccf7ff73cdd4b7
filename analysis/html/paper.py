"""The paper's figures on the page: which of them this store has the cells for, from which runs, in which files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import paper_layout
from analysis.figures.paper import block, paper_figure
from analysis.figures.render import FigureRenderer
from analysis.html.sections import SEED
from analysis.loading import protocols
from analysis.loading.cells import countable
from analysis.loading.filters import on_outcome
from analysis.loading.protocols import is_number
from analysis.loading.runs import Collected
from landscape.store.protocols import EvalProtocol

MOST_FIGURES, MOST_DATA = 12, 6  # figures on a page, and data sets in one of them

Part = tuple[str, str | None, pd.DataFrame]


def paper_sections(found: Collected, parts: list[Part], renderer: FigureRenderer) -> list[dict[str, Any]]:
    """Submit the paper's figures; key, title, file stem and data sets of each, for the template.

    Of each data set, the section with most scored runs is drawn if it has at least two cells of the figure.
    """
    first: dict[str, Part] = {}
    for part in parts:
        if part[1] is not None:
            first.setdefault(part[0], (*part[:2], protocols.wholly_scored(found.runs, part[2])))
    if not first:
        return []
    drawn: list[dict[str, Any]] = []
    every = pd.concat([countable(runs) for _, _, runs in first.values()])
    for figure in paper_layout.paper_figures(every, bool(found.pooled_over)):
        blocks = []
        for data, name, runs in first.values():
            text = found.protocols.get(name or "", protocols.UNKNOWN)
            distance = protocols.distance_label(text)
            picked = any(on_outcome(condition) for condition in found.filters)
            one = block(figure, data, distance, runs, found.trials, diversity_lines(text), picked)
            if one.runs.loc[one.runs["worth"].notna(), "cell"].nunique() >= 2:
                blocks.append(one)
        if blocks and len(drawn) < MOST_FIGURES:
            blocks = blocks[:MOST_DATA]
            stem = f"figures/study-{figure.key}"
            renderer.submit(stem, paper_figure, figure, blocks, np.random.default_rng(SEED))
            drawn.append({"key": figure.key, "title": figure.title, "file": stem, "data": [b.data for b in blocks]})
    return drawn


def diversity_lines(text: EvalProtocol) -> dict[str, float]:
    """1 - MS-SSIM of real images, and of real images with noise, by name, as far as the protocol has them."""
    lines = {}
    for value, name in ((text.floor, "real images"), (text.floor_noisy, "noisy")):
        if value and is_number(value.get("ms_ssim")):
            noise = f", σ {value['deviation']:g}/255" if is_number(value.get("deviation")) else ""
            lines[name + noise] = 1 - float(value["ms_ssim"])
    return lines
