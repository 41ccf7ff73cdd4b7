"""Evaluation protocols: their description in sentences, how they differ, and one section of the page for each."""

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
UNKNOWN = EvalProtocol()  # for a protocol whose text cannot be read


class TwoProtocols(ValueError):
    """A frame that mixes scores of several protocols or data sets."""


def one_protocol(frame: pd.DataFrame, texts: Texts | None = None) -> str | None:
    """The id of the one protocol in `frame`, or None if nothing is scored.

    Raises `TwoProtocols` for several protocols, with the keys on which they differ (`texts` maps id -> full text), and
    for several data sets: such scores are not comparable.
    """
    names = sorted(str(name) for name in frame["protocol"].dropna().unique())
    if len(names) > 1:
        keys = differing(names, texts or {})
        what = f"they differ in {', '.join(keys)}" if keys else "their descriptions are missing"
        raise TwoProtocols(
            f"scores of {len(names)} protocols cannot share a table or a curve ({', '.join(names)}): {what}"
        )
    if frame["data"].nunique() > 1:
        raise TwoProtocols(f"scores on {', '.join(sorted(frame['data'].unique()))} cannot share a table or a curve")
    return names[0] if names else None


def differing(names: list[str], texts: Texts) -> list[str]:
    """The keys on which the protocols `names` differ, sorted. Protocols without a text are skipped."""
    return differing_keys(*(texts[name] for name in names if name in texts))


def distance_label(text: EvalProtocol) -> str:
    """The name of a protocol's distance, "FID" or "FD (classifier)", with a note if there were too few images."""
    if text.source is not None:
        return distance_name(text.extractor, "as given")
    few = too_few(text)
    return distance_name(text.extractor or "unknown", *([f"of {few[0]} images, too few"] if few else []))


def too_few(text: EvalProtocol) -> tuple[int, ...]:
    """(images, features) if there are too few images for a covariance of the features, else ()."""
    if text.n_real is None or text.n_fake is None or text.features is None:
        return ()
    n = min(text.n_real, text.n_fake)
    return (n, text.features) if n <= text.features else ()


def caution(text: EvalProtocol) -> str:
    """A warning that a protocol's distances are unreliable for want of images; empty if they are not."""
    if not too_few(text):
        return ""
    n, features = too_few(text)
    return (
        f"These distances are unreliable: {n:,} images are too few for a covariance of {features:,} features, so that "
        "all distances are far too high. Compare them only with each other, and with care."
    )


FEW = re.compile(r"(\d{1,9}) images are too few for a covariance of (\d{1,9}) features")


def with_features(text: EvalProtocol, warnings: Iterable[str]) -> EvalProtocol:
    """`text` with the number of features, which old stores hold in the warnings of the runs only."""
    for found in map(FEW.match, warnings):
        if found and text.features is None:
            known = replace(text, features=int(found[2]))
            if too_few(known)[:1] == (int(found[1]),):
                return known
    return text


def describe_protocol(text: EvalProtocol) -> str:
    """A protocol as one sentence."""
    if text == UNKNOWN:
        return "The description of the protocol cannot be read."
    if text.source is not None:
        return f"not known; the scores are as given in {text.source}."
    details = [f"weights {text.weights[:8]}"] if text.weights else []
    details += [] if text.accuracy is None else [f"test accuracy {100 * text.accuracy:.1f} %"]
    generator = {"ema": "the averaged generator (EMA)", "raw": "the generator"}
    parts = [
        f"{text.extractor or 'unknown'} features" + (f" ({', '.join(details)})" if details else ""),
        f"{_count(text.n_real)} real images ({text.real or 'unknown'} split)",
        f"{_count(text.n_fake)} samples of {generator.get(str(text.generator), 'the generator')}",
        {"uint8": "rounded to 8 bits", "float": "not rounded"}.get(str(text.quantise), ""),
        f"IS over {plural(text.is_splits, 'split')}" if text.is_splits else "",
        "" if text.seed is None else f"evaluation seed {text.seed}",
    ]
    return ", ".join(part for part in parts if part) + "."


def describe_floor(text: EvalProtocol) -> str:
    """The scores of held-out real images, as a sentence; empty if the protocol has none."""
    known = {key: value for key, value in (text.floor or {}).items() if is_number(value)}
    quality = [(head, column) for head, column in columns_of([known]) if column.key in QUALITY]
    said = [f"{head} {column.text(value)}" for head, column in quality if (value := column.of(known)) is not None]
    count = f"{known['n']:,} held-out" if "n" in known else "Held-out"
    return f"{count} real images score {', '.join(said)}." if said else ""


def floor_by_n(text: EvalProtocol) -> list[tuple[int, float]]:
    """(number of images, distance of real images), ascending, if the protocol has several; else []."""
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
    """The sections of the page, within which scores are comparable: (data, protocol, runs), each run once.

    They are sorted by data set, then by the number of scored runs, most first. A run without evaluations is in every
    section of its data set. Diverged and stopped runs are not rescored: under a later protocol they count as diverged
    or stopped once all other runs of the cell are scored under it (earlier, they would be overrepresented).
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
    """Diverged and stopped runs of cells that are fully scored under the protocol of `part`.

    They have no scores of other protocols.
    """
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
    """The cells of a section of which only some runs are scored under its protocol: label -> (scored, all).

    Which runs were rescored is a choice, so that the scored ones are a biased sample. Diverged runs count as scored.
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
    """The runs of a section without the cells that are `partly_scored`: for curves and comparisons."""
    return part[~part["cell"].isin(partly_scored(runs, part))]


def is_number(value: Any) -> bool:
    """Whether a value from a file is a finite number (a bool is not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _count(value: int | None) -> str:
    return "an unknown number of" if value is None else f"{value:,}"
