"""The figures of "The GAN Landscape" (arXiv 1807.04720): which cells each compares, in the paper's order and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.loading.cells import POOLED
from landscape.config.axes import CELL_AXES, CELL_KEYS


class Member(NamedTuple):
    """A cell of a figure. Of `losses` and `n_dis`, the first in the store is taken; the paper's own comes first."""

    label: str
    losses: tuple[str, ...]
    penalty: str
    norm: str
    n_dis: tuple[int, ...]


class FigureDesign(NamedTuple):
    """One of the paper's figures: of one architecture, or, with `across`, over all of them."""

    title: str
    members: tuple[Member, ...]
    across: bool = False


class PaperFigure(NamedTuple):
    """A figure of the paper with the cells in this store: `cells` maps a label to the columns that define the cell.

    These leave out data, and n_dis for a cell that is pooled over it.
    """

    key: str
    title: str
    cells: dict[str, dict[str, object]]


NS, WGAN, LS = ("ns",), ("wgan",), ("ls_sigmoid", "ls")  # the paper's code has LS on the sigmoid of the logit
ONE, FIVE, FIVE_OR_ONE = (1,), (5,), (5, 1)

PAPER_FIGURES = {
    "regularization": FigureDesign(
        "Regularization and normalization",
        (
            Member("W/O", NS, "none", "none", ONE),
            Member("GP", NS, "gp", "none", ONE),
            Member("GP", NS, "gp", "none", FIVE),
            Member("DR", NS, "dragan", "none", ONE),
            Member("SN", NS, "none", "sn", ONE),
            Member("LN", NS, "none", "ln", ONE),
            Member("BN", NS, "none", "bn", ONE),
            Member("L2", NS, "l2", "none", ONE),
        ),
    ),
    "loss": FigureDesign(
        "Loss functions",
        (
            Member("NS", NS, "none", "none", ONE),
            Member("NS SN", NS, "none", "sn", ONE),
            Member("NS GP", NS, "gp", "none", FIVE_OR_ONE),
            Member("WGAN SN", WGAN, "none", "sn", ONE),
            Member("WGAN GP", WGAN, "gp", "none", FIVE_OR_ONE),
            Member("LS", LS, "none", "none", ONE),
            Member("LS SN", LS, "none", "sn", ONE),
            Member("LS GP", LS, "gp", "none", FIVE_OR_ONE),
        ),
    ),
    "architecture": FigureDesign(
        "Architectures",
        (
            Member("W/O", NS, "none", "none", ONE),
            Member("GP", NS, "gp", "none", ONE),
            Member("GP", NS, "gp", "none", FIVE),
            Member("SN", NS, "none", "sn", ONE),
        ),
        across=True,
    ),
    "both": FigureDesign(
        "Regularization and normalization at once",
        (
            *(Member(f"GP+{norm.upper()}", NS, "gp", norm, n) for norm in ("sn", "bn", "ln") for n in (ONE, FIVE)),
            *(Member(f"DR+{norm.upper()}", NS, "dragan", norm, ONE) for norm in ("bn", "sn", "ln")),
        ),
    ),
}

# Axes that the paper did not have, at the values of its cells.
OTHERS = {axis.name: axis.plain for axis in CELL_AXES if axis.added}

ARCHITECTURES = {"resnet19": "RES5", "sndcgan": "SNDC", "resnet_cifar": "RESC"}  # the first two names are the paper's


def paper_figures(runs: pd.DataFrame, pooled: bool = False) -> list[PaperFigure]:
    """The figures for which `runs` (a frame of `load`) has at least two cells with a result on one data set.

    With `pooled`, cells that differ in n_dis alone are one, labeled with its values.
    """
    known = of_cell(runs[runs["worth"].notna()], OTHERS).drop_duplicates(list(CELL_KEYS))
    words = [*ARCHITECTURES, *sorted(set(known["arch"]) - set(ARCHITECTURES))]
    archs = [arch for arch in words if arch in set(known["arch"])]
    drawn = []
    for key, study in PAPER_FIGURES.items():
        for group in [archs] if study.across else [[arch] for arch in archs]:
            cells = _cells(study, known, group)
            cells = _pooled(cells, known) if pooled else cells
            names = [facts["arch"] for facts in cells.values()]
            if study.across and len(set(names)) < 2:
                continue
            if _most_together(known, cells) >= 2:
                one = not study.across and len(archs) > 1
                title = f"{study.title}, {architecture(group[0])}" if one else study.title
                drawn.append(PaperFigure(f"{key}-{group[0]}" if one else key, title, cells))
    return drawn


def architecture(arch: str) -> str:
    """The paper's short name of a network, or the name in capitals."""
    return ARCHITECTURES.get(arch, arch.upper())


def _cells(study: FigureDesign, known: pd.DataFrame, archs: Sequence[str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for arch in archs:
        for member in study.members:
            same = known[
                (known["arch"] == arch) & (known["penalty"] == member.penalty) & (known["norm"] == member.norm)
            ]
            choices = [(loss, n) for n in member.n_dis for loss in member.losses]
            there = set(zip(same["loss"], same["n_dis"], strict=True))
            pick = next((choice for choice in choices if choice in there), None)
            if pick is None:
                continue
            label = f"{architecture(arch)} {member.label}" if study.across else member.label
            label = label if pick[1] == 1 else f"{label} {pick[1]}"
            facts = {"arch": arch, "loss": pick[0], "penalty": member.penalty, "norm": member.norm, "n_dis": pick[1]}
            found[label] = facts | OTHERS
    return found


def _pooled(cells: dict[str, dict[str, object]], known: pd.DataFrame) -> dict[str, dict[str, object]]:
    """The cells pooled over n_dis; a cell with several values is labeled with them."""
    found: dict[str, dict[str, object]] = {}
    for label, facts in cells.items():
        rest = {key: value for key, value in facts.items() if key != "n_dis"}
        counts = sorted({int(n) for n in of_cell(known, rest)["n_dis"]})
        plain = label.removesuffix(f" {facts['n_dis']}")
        found[f"{plain}{POOLED}{', '.join(map(str, counts))})" if len(counts) > 1 else label] = (
            rest if len(counts) > 1 else facts
        )
    return found


def _most_together(known: pd.DataFrame, cells: dict[str, dict[str, object]]) -> int:
    """The largest number of `cells` that one data set has."""
    counts = [sum(len(of_cell(part, facts)) > 0 for facts in cells.values()) for _, part in known.groupby("data")]
    return max(counts, default=0)


def of_cell(runs: pd.DataFrame, facts: dict[str, object]) -> pd.DataFrame:
    """The rows of `runs` that equal `facts` in its columns."""
    same = pd.Series(True, index=runs.index)
    for key, value in facts.items():
        same &= runs[key] == value
    return runs[same]
