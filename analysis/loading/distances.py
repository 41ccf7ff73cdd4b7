"""The distance's columns, by name: in frames `fid` and what is made of it, in files with the extractor in their names.

A frame holds distances on several extractors in one column, as each row has a protocol that says on which. A file of
runs stands alone, so that there `fid` is Inception's and the others are `fd_classifier`, `fd_classifier_best` ...
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.loading.protocols import UNKNOWN
from landscape.scores import DISTANCES, EXTRACTORS, distance_key
from landscape.store.protocols import EvalProtocol

GENERAL = "fid"


def of_distance(key: str) -> bool:
    """Whether a frame's column is a distance's: `fid`, `fid_best` ..."""
    return key == GENERAL or key.startswith(f"{GENERAL}_")


def named(frame: pd.DataFrame, protocols: pd.Series, texts: Mapping[str, EvalProtocol]) -> pd.DataFrame:
    """`frame` for a file; `protocols` has the protocol of each row, or None, and `texts` their full texts."""
    keys = protocols.map(lambda name: distance_key(texts.get(name, UNKNOWN).extractor), na_action="ignore")
    present = [key for key in DISTANCES if (keys == key).any()] or [GENERAL]
    columns: dict[str, pd.Series] = {}
    for column in map(str, frame):
        for key in present if of_distance(column) else ():
            mine = keys.isna() | (keys == key)
            columns[key + column.removeprefix(GENERAL)] = frame[column].where(mine)
        if not of_distance(column):
            columns[column] = frame[column]
    return pd.DataFrame(columns, index=frame.index)


def general(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """A file's frame with the columns of all its distances made those of frames; and the extractor of each protocol.

    A protocol is in the latter where its distance has an extractor in its name: `fid` may also be an older file's.
    """
    made, extractors = frame.copy(), dict[str, str]()
    for extractor in EXTRACTORS:
        key = distance_key(extractor)
        own = [str(column) for column in frame if str(column) == key or str(column).startswith(f"{key}_")]
        if key == GENERAL or key not in frame:
            continue
        for column in own:
            column_of_frames = GENERAL + column.removeprefix(key)
            before = made[column_of_frames] if column_of_frames in made else pd.Series(index=made.index, dtype=object)
            made[column_of_frames] = before.where(before.notna(), frame[column])
        made = made.drop(columns=own)
        scored = frame[own].notna().any(axis=1)
        names = frame["protocol"] if "protocol" in frame else pd.Series("as-given", index=frame.index)
        extractors |= dict.fromkeys(names[scored].dropna().astype(str), extractor)
    return made, extractors
