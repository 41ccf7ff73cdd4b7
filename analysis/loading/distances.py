"""Names of the distance columns, in frames and in files.

In frames the distance is `fid`, `fid_best` and so on, whatever the extractor, which the row's protocol names. In files
the extractor is in the column name: `fid` is Inception's alone, the others are `fd_classifier`, `fd_classifier_best`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.loading.protocols import UNKNOWN
from landscape.scores import DISTANCES, EXTRACTORS, distance_key
from landscape.store.protocols import EvalProtocol

DISTANCE = "fid"


def is_distance_column(key: str) -> bool:
    """Whether a column of a frame is a distance: `fid`, `fid_best` and so on."""
    return key == DISTANCE or key.startswith(f"{DISTANCE}_")


def to_file_columns(frame: pd.DataFrame, protocols: pd.Series, texts: Mapping[str, EvalProtocol]) -> pd.DataFrame:
    """`frame` with the distance columns of files; `protocols` is each row's protocol id or None, `texts` id -> text."""
    keys = protocols.map(lambda name: distance_key(texts.get(name, UNKNOWN).extractor), na_action="ignore")
    present = [key for key in DISTANCES if (keys == key).any()] or [DISTANCE]
    columns: dict[str, pd.Series] = {}
    for column in map(str, frame):
        for key in present if is_distance_column(column) else ():
            mine = keys.isna() | (keys == key)
            columns[key + column.removeprefix(DISTANCE)] = frame[column].where(mine)
        if not is_distance_column(column):
            columns[column] = frame[column]
    return pd.DataFrame(columns, index=frame.index)


def to_frame_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """`frame` of a file with the distance columns of frames, and the extractor by protocol id.

    Protocols whose distance is `fid` have no entry: old files call every distance so.
    """
    made, extractors = frame.copy(), dict[str, str]()
    for extractor in EXTRACTORS:
        key = distance_key(extractor)
        own = [str(column) for column in frame if str(column) == key or str(column).startswith(f"{key}_")]
        if key == DISTANCE or key not in frame:
            continue
        for column in own:
            target = DISTANCE + column.removeprefix(key)
            before = made[target] if target in made else pd.Series(index=made.index, dtype=object)
            made[target] = before.where(before.notna(), frame[column])
        made = made.drop(columns=own)
        scored = frame[own].notna().any(axis=1)
        names = frame["protocol"] if "protocol" in frame else pd.Series("as-given", index=frame.index)
        extractors |= dict.fromkeys(names[scored].dropna().astype(str), extractor)
    return made, extractors
