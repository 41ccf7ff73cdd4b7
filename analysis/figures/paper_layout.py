"""The figures of "The GAN Landscape" (arXiv 1807.04720): which cells each compares, in its order, by its labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.loading.cells import POOLED
from landscape.config.axes import CELL_AXES, CELL_KEYS


class Member(NamedTuple):
    """A cell of a figure; of `losses` and `n_dis` the first that the store has is taken, the study's own first."""

    label: str
    losses: tuple[str, ...]
    penalty: str
    norm: str
    n_dis: tuple[int, ...]


class Study(NamedTuple):
    """One of the study's figures; within one architecture, or, with `across`, over all of them."""

    title: str
    members: tuple[Member, ...]
    across: bool = False


class Figure(NamedTuple):
    """A study's figure as this store can draw it: `cells` maps a label to the cell's facts, data set apart.

    Facts of a cell that is pooled over n_dis are without it.
    """

    key: str
    title: str
    cells: dict[str, dict[str, object]]


NS, WGAN, LS = ("ns",), ("wgan",), ("ls_sigmoid", "ls")  # the study's code takes the sigmoid of the logit for LS
ONE, FIVE, FIVE_OR_ONE = (1,), (5,), (5, 1)

STUDIES = {
    "regularization": Study(
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
    "loss": Study(
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
    "architecture": Study(
        "Architectures",
        (
            Member("W/O", NS, "none", "none", ONE),
            Member("GP", NS, "gp", "none", ONE),
            Member("GP", NS, "gp", "none", FIVE),
            Member("SN", NS, "none", "sn", ONE),
        ),
        across=True,
    ),
    "both": Study(
        "Regularization and normalization at once",
        (
            *(Member(f"GP+{norm.upper()}", NS, "gp", norm, n) for norm in ("sn", "bn", "ln") for n in (ONE, FIVE)),
            *(Member(f"DR+{norm.upper()}", NS, "dragan", norm, ONE) for norm in ("bn", "sn", "ln")),
        ),
    ),
}

# Axes that the study did not have: its cells are those that are plain on them.
OTHERS = {axis.name: axis.plain for axis in CELL_AXES if axis.added}

ARCHITECTURES = {"resnet19": "RES5", "sndcgan": "SNDC", "resnet_cifar": "RESC"}  # the first two are the study's words


def study_figures(runs: pd.DataFrame, pooled: bool = False) -> list[Figure]:
    """The figures for which `runs` (a frame of `load`) has at least two cells with a result on one data set.

    With `pooled` the cells that differ in n_dis alone are one, and the label names the counts that there are.
    """
    known = of_cell(runs[runs["worth"].notna()], OTHERS).drop_duplicates(list(CELL_KEYS))
    words = [*ARCHITECTURES, *sorted(set(known["arch"]) - set(ARCHITECTURES))]
    archs = [arch for arch in words if arch in set(known["arch"])]
    drawn = []
    for key, study in STUDIES.items():
        for group in [archs] if study.across else [[arch] for arch in archs]:
            cells = _cells(study, known, group)
            cells = _pooled(cells, known) if pooled else cells
            names = [facts["arch"] for facts in cells.values()]
            if study.across and len(set(names)) < 2:
                continue
            if _most_together(known, cells) >= 2:
                one = not study.across and len(archs) > 1
                title = f"{study.title}, {architecture(group[0])}" if one else study.title
                drawn.append(Figure(f"{key}-{group[0]}" if one else key, title, cells))
    return drawn


def architecture(arch: str) -> str:
    """The study's short name of a network, or its name in capitals."""
    return ARCHITECTURES.get(arch, arch.upper())


def _cells(study: Study, known: pd.DataFrame, archs: Sequence[str]) -> dict[str, dict[str, object]]:
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
    """The cells without n_dis, each once; one of several counts is labelled by them."""
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
    """How many of `cells` one data set has at most."""
    counts = [sum(len(of_cell(part, facts)) > 0 for facts in cells.values()) for _, part in known.groupby("data")]
    return max(counts, default=0)


def of_cell(runs: pd.DataFrame, facts: dict[str, object]) -> pd.DataFrame:
    """The runs of one cell of a figure."""
    same = pd.Series(True, index=runs.index)
    for key, value in facts.items():
        same &= runs[key] == value
    return runs[same]
