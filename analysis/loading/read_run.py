"""Reads one run's folder. A corrupt file is reported and left as it is; the others are still read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from landscape.config.axes import AXES, Axis, value
from landscape.config.errors import CorruptFile
from landscape.config.identity import flatten, setting_of, short_hash, superseded
from landscape.scores import COLUMNS, CURVES
from landscape.store import RunFolder, RunStatus
from landscape.store.early_stopping import rule_text
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalProtocol
from landscape.store.run_meta import RunMeta

# What training itself says at an evaluation: D's loss, its estimate of the distance, the share of clipped weights.
OF_TRAINING = ("loss_d", "critic", "saturated")

T = TypeVar("T")
Rows = dict[str, list[Any]]  # evaluations by columns, as in `Record.rows`

UNREADABLE = "unreadable"  # state of a run whose status.json cannot be read; never written to a store

# Score columns of the frames -> the keys that an evaluation row may have them under.
SCORES = {key: column.keys for key, column in COLUMNS.items() if not column.curve and column.one_minus is None}


@dataclass
class Record:
    """One run as read from its folder.

    `rows` holds the evaluations by column, oldest first, one row per protocol and step: NaN for a score that was not
    finite, None for one that was not requested. `protocols` maps id -> text.
    """

    id: str
    facts: dict[str, Any]
    status: RunStatus
    meta: RunMeta
    rows: Rows = field(default_factory=dict)
    protocols: dict[str, EvalProtocol] = field(default_factory=dict)
    file_stats: list[list[int] | None] = field(default_factory=list)  # set by `analysis.loading.cache`
    config: str = ""  # the frozen configuration, one key per line


def read_record(run: RunFolder, problems: list[str]) -> Record | None:
    """Read `run`; None without a readable config.yaml. Appends a sentence to `problems` for each unreadable file."""
    config = _attempt(run.config_file, run.config, problems)
    facts = None if config is None else _attempt(run.config_file, lambda: _facts(run.id, config), problems)
    if config is None or facts is None:
        return None
    status = _attempt(run.status_file, run.status, problems)
    meta = _attempt(run.meta_file, run.meta, problems)
    rows = _attempt(run.metrics_file, lambda: [_row(row, run) for row in run.rows()], problems)
    record = Record(
        run.id,
        facts,
        status or RunStatus(state=UNREADABLE, reason="its status.json cannot be read"),
        meta or RunMeta(),
        _columns(rows or []),
    )
    for name in dict.fromkeys(record.rows.get("protocol", [])):
        text = _attempt(run.protocol_file(name), lambda name=name: run.protocol(name), problems)  # type: ignore[misc]
        if text is not None:
            record.protocols[name] = text
    record.config = "\n".join(f"{key}: {_spelled(value)}" for key, value in flatten(config).items())
    return record


def _attempt(file: Path, read: Callable[[], T], problems: list[str]) -> T | None:
    """`read()`; if that fails, None, and a sentence on `file` in `problems`."""
    try:
        return read()
    except FileNotFoundError:
        problems.append(f"{file} is missing")
    except CorruptFile as e:
        problems.append(str(e))
    except OSError as e:
        problems.append(f"{file} cannot be read ({e.strerror})")
    except KeyError as e:
        problems.append(f"{file} lacks the key {e}")
    except (TypeError, ValueError, AttributeError, RecursionError) as e:
        problems.append(f"{file} has unexpected content ({' '.join(str(e).split())[:120]})")
    return None


def _facts(run: str, config: dict[str, Any]) -> dict[str, Any]:
    """The columns of a frame that follow from the frozen configuration."""
    older = superseded(run, config)
    return {
        **{axis.name: _typed(axis, value(config, axis)) for axis in AXES},
        "setting": short_hash(setting_of(config, len(older))),
        "rule": rule_text(config.get("stop") or {}),
        "superseded": ", ".join(change.before for change in older) or None,
    }


def _typed(axis: Axis, found: Any) -> Any:
    """An axis's value as in the frame: NaN for a missing float; raises `TypeError` for a missing count."""
    if axis.kind is float:
        return number(found)
    return int(found) if axis.kind is int else None if found is None else str(found)


def _spelled(value: Any) -> str:
    """A value of the configuration in one line, as on a command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_spelled, value))}]"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _row(row: MetricsRow, run: RunFolder) -> dict[str, Any]:
    """The keys of an evaluation row that analysis uses; a score that was not requested is absent."""
    try:
        values = row.values
        kept = {"step": row.step, "protocol": row.protocol, "why": {key: str(why) for key, why in row.why.items()}}
        kept |= {"images": number(row.images), "train_s": number(row.train_s), "eval_s": number(row.eval_s)}
        kept |= {key: number(values[name]) for key, names in SCORES.items() for name in names if name in values}
        kept |= {key: number(values[key]) for key in OF_TRAINING if key in values}
        kept |= {key: [number(v) for v in values[key]] for key in CURVES if values.get(key) is not None}
        return kept | {"cost": {key: number(value) for key, value in row.cost.items()}}
    except (TypeError, ValueError) as e:
        raise CorruptFile(f"{run.metrics_file} holds an invalid row ({e})") from e


def _columns(rows: list[dict[str, Any]]) -> Rows:
    """`Record.rows` from evaluation rows. Scores added to an evaluation later are further rows of its step: merged."""
    merged: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        merged.setdefault((row["protocol"], row["step"]), {}).update(row)
    keys = dict.fromkeys(key for row in merged.values() for key in row)
    return {key: [row.get(key) for row in merged.values()] for key in keys}


def number(value: Any) -> float:
    """A number from the store as a float, null as NaN; raises `TypeError` for anything else (text, list, bool)."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)
