"""Protocols: two never share a table or a curve, what each means in a sentence, and what sets several apart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.loading.cells import label_cells
from landscape.config.text import plural
from landscape.scores import NUMBERS, QUALITY, columns_of, distance_name
from landscape.store import DIVERGED, STOPPED
from landscape.store.protocols import EvalProtocol, differing_keys
from landscape.store.trials import CONFIRM

Texts = Mapping[str, EvalProtocol]  # by id
UNKNOWN = EvalProtocol()  # one whose text cannot be read


class TwoProtocols(ValueError):
    """A frame whose scores were measured in more than one way, or on more than one data set."""


def one_protocol(frame: pd.DataFrame, texts: Texts | None = None) -> str | None:
    """The protocol of all scores in `frame`; None where none has any.

    Raises `TwoProtocols`, with the keys that differ (from `texts`, id -> full text), for several protocols, and for
    several data sets: scores of the two do not compare.
    """
    names = sorted(str(name) for name in frame["protocol"].dropna().unique())
    if len(names) > 1:
        keys = differing(names, texts or {})
        what = f"they differ in {', '.join(keys)}" if keys else "their texts are not at hand"
        raise TwoProtocols(
            f"scores under {len(names)} protocols cannot share a table or a curve ({', '.join(names)}): {what}"
        )
    if frame["data"].nunique() > 1:
        raise TwoProtocols(f"scores on {', '.join(sorted(frame['data'].unique()))} cannot share a table or a curve")
    return names[0] if names else None


def differing(names: list[str], texts: Texts) -> list[str]:
    """The keys on which the protocols `names` do not all agree, sorted; those whose text is missing are passed over."""
    return differing_keys(*(texts[name] for name in names if name in texts))


def distance_label(text: EvalProtocol) -> str:
    """What the distance under a protocol is called in tables and figures, with what must be known to read it."""
    if text.source is not None:
        return distance_name(text.extractor, "as given")
    few = too_few(text)
    return distance_name(text.extractor or "unknown", *([f"of {few[0]} images, too few"] if few else []))


def too_few(text: EvalProtocol) -> tuple[int, ...]:
    """Images and features, where the images are too few for a covariance of the features; else nothing."""
    if text.n_real is None or text.n_fake is None or text.features is None:
        return ()
    n = min(text.n_real, text.n_fake)
    return (n, text.features) if n <= text.features else ()


def caution(text: EvalProtocol) -> str:
    """Why the distances under a protocol say next to nothing, as a sentence; empty where they do say something."""
    if not too_few(text):
        return ""
    n, features = too_few(text)
    return (
        f"These distances say next to nothing: {n:,} images are too few for a covariance of {features:,} features, and "
        "all of them are far too high. Compare them with nothing but one another, and that with care."
    )


FEW = re.compile(r"(\d{1,9}) images are too few for a covariance of (\d{1,9}) features")


def with_features(text: EvalProtocol, warnings: Iterable[str]) -> EvalProtocol:
    """`text` with the number of features, which older stores tell in the warnings of its runs only."""
    for found in map(FEW.match, warnings):
        if found and text.features is None:
            known = replace(text, features=int(found[2]))
            if too_few(known)[:1] == (int(found[1]),):
                return known
    return text


def spell_out(text: EvalProtocol) -> str:
    """A protocol as one readable sentence; of an unreadable one, that it is."""
    if text == UNKNOWN:
        return "The protocol's text cannot be read."
    if text.source is not None:
        return f"as given in {text.source}, which does not say."
    details = [f"weights {text.weights[:8]}"] if text.weights else []
    details += [] if text.accuracy is None else [f"{100 * text.accuracy:.1f} % of test images right"]
    generator = {"ema": "the average of the generator's weights", "raw": "the generator itself"}
    parts = [
        f"{text.extractor or 'unknown'} features" + (f" ({', '.join(details)})" if details else ""),
        f"{_count(text.n_real)} real images ({text.real or 'unknown'} split)",
        f"{_count(text.n_fake)} samples of {generator.get(str(text.generator), 'the generator')}",
        {"uint8": "rounded to 8 bits", "float": "not rounded"}.get(str(text.quantise), ""),
        f"IS over {plural(text.is_splits, 'split')}" if text.is_splits else "",
        "" if text.seed is None else f"evaluation seed {text.seed}",
    ]
    return ", ".join(part for part in parts if part) + "."


def spell_floor(text: EvalProtocol) -> str:
    """What other real images score in the samples' place, as a sentence; empty where the protocol does not say."""
    known = {key: value for key, value in (text.floor or {}).items() if is_number(value)}
    quality = [(head, column) for head, column in columns_of([known]) if column.key in QUALITY]
    said = [f"{head} {column.text(value)}" for head, column in quality if (value := column.of(known)) is not None]
    others = f"{known['n']:,} other" if "n" in known else "Other"
    return f"{others} real images in the samples' place score {', '.join(said)}." if said else ""


def floor_by_n(text: EvalProtocol) -> list[tuple[int, float]]:
    """(number of images, distance) of the floor, where the protocol says it for several numbers; else nothing."""
    pairs = (text.floor or {}).get("by_n")
    if not isinstance(pairs, list):
        return []
    found = [
        (int(pair[0]), float(pair[1]))
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(is_number(x) and x > 0 for x in pair)
    ]
    return sorted(found) if len(found) > 1 else []


def sections(runs: pd.DataFrame) -> list[tuple[str, str | None, pd.DataFrame]]:
    """The parts in which scores compare: (data, protocol, runs), each run once, those with most scored runs first.

    A run without any evaluation is in every part of its data set. A diverged or stopped run is not scored again, so
    that it has no row under a protocol that came later; there it counts as what it is all the same, once every other
    result of its cell is scored under that protocol (before, it would weigh more than its share).
    """
    parts: list[tuple[str, str | None, pd.DataFrame]] = []
    for data, of_data in runs.groupby("data", sort=True):
        of_data = label_cells(of_data)
        names = list(of_data["protocol"].dropna().unique())
        unscored = of_data[of_data["protocol"].isna()]
        if not names:
            parts.append((str(data), None, unscored))
        for name in sorted(names, key=lambda name: (-int((of_data["protocol"] == name).sum()), name)):
            part = of_data[of_data["protocol"] == name]
            parts.append((str(data), str(name), pd.concat([part, _carried(of_data, part), unscored])))
    return parts


def _carried(of_data: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Diverged and stopped runs of cells that are fully scored under the protocol of `part`; without scores from
    elsewhere."""
    elsewhere = of_data[of_data["protocol"].notna() & ~of_data["id"].isin(part["id"])].drop_duplicates("id")
    cut = elsewhere["status"].isin((DIVERGED, STOPPED))
    open_cells = set(elsewhere.loc[elsewhere["worth"].notna() & ~cut, "cell"])
    scored_cells = set(part["cell"])
    carried = elsewhere[cut & ~elsewhere["cell"].isin(open_cells) & elsewhere["cell"].isin(scored_cells)].copy()
    carried[["fid_last", "fid_best", "fid_start"]] = float("nan")
    scores = [key for key in {"fid", "worth", *NUMBERS} if key in carried]
    carried.loc[carried["status"] == STOPPED, scores] = float("nan")
    carried["protocol"], carried["evaluations"], carried["why"] = None, 0, None
    return carried


def partly_scored(runs: pd.DataFrame, part: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Of the cells of one of `sections` those that have results under other protocols alone: how many of their runs are
    scored here, and how many there are.

    Which runs are scored again is a choice: some of them are not a cell. Diverged ones count as scored.
    """
    same = label_cells(runs[runs["data"].isin(part["data"].unique())])
    same = same[(same["stage"] != CONFIRM) & (same["status"] != STOPPED) & same["worth"].notna()]
    here = part.loc[part["protocol"].notna() & part["worth"].notna(), "id"]
    done = same["id"].isin(here) | (same["status"] == DIVERGED)
    found = {}
    for label, cell in same.assign(done=done).drop_duplicates("id").groupby("cell"):
        scored, whole = int(cell["done"].sum()), len(cell)
        if scored < whole and label in set(part["cell"]):
            found[str(label)] = (scored, whole)
    return found


def wholly_scored(runs: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Of one of `sections` the runs of cells that are not `partly_scored`: for curves and comparisons."""
    return part[~part["cell"].isin(partly_scored(runs, part))]


def is_number(value: Any) -> bool:
    """Whether a value from a file is a finite number (truth is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _count(value: int | None) -> str:
    return "an unknown number of" if value is None else f"{value:,}"
