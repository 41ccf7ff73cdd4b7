"""A store as one table that can be shared: a row for each run that has ended and for each sweep; no weights.

Readable columns (`COLUMNS`) stand beside the records as JSON (`RECORDS`), from which a store is made again. What
belongs to a machine or a person is left out: paths, host names, launchers, trackers, databases. So is what a store
would obey: nothing that is imported is run.

The digest of a table is SHA-256 over the ids and records, in order; it does not depend on the format (CSV, CSV.GZ,
Parquet). On reading, run ids are computed again from the configurations and protocol ids from the protocols, and the
readable columns from both.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from landscape.config.axes import AXES, CELL_KEYS, LUCK_KEYS, SETTING, axes_of, cell_label
from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import run_id, superseded
from landscape.scores import DISTANCES, distance_key
from landscape.store import formats
from landscape.store.atomic_io import parse_json, read_bounded, to_json, write_whole
from landscape.store.formats import DIVERGED, DONE, FAILED, RUN_ID, STOPPED, SWEEP_NAME
from landscape.store.metrics_row import MetricsRow
from landscape.store.plan_record import PlanRecord
from landscape.store.protocols import EvalProtocol
from landscape.store.races import Race
from landscape.store.run_folder import RunFolder
from landscape.store.run_meta import RunMeta
from landscape.store.run_status import RunStatus
from landscape.store.searches import SweepSearches
from landscape.store.store import Store
from landscape.store.trials import CONFIRM, GRID, TrialRecord, read_rows

RUN, SWEEP = "run", "sweep"  # what a row is
ENDED = (DONE, DIVERGED, STOPPED, FAILED)  # states of the runs of a table
OF_RUN = ("config", "state", "meta", "metrics", "protocols")
OF_SWEEP = ("plan", "searches", "trials", "race")
RECORDS = (*OF_RUN, *OF_SWEEP)
SETTING_KEYS = tuple(axis.name for axis in AXES if axis.enters == SETTING)
COLUMNS = (
    *("record", "id", "status", *CELL_KEYS, "cell", *LUCK_KEYS, *SETTING_KEYS, "step", "protocol", *DISTANCES),
    *("train_s", "eval_s", "wasted_s", "device", "stage", "sampler", "order", "sweep"),
)
SUFFIXES = (".csv", ".csv.gz", ".parquet")
DIGEST = re.compile(r"-([0-9a-f]{12})$")  # at the end of a file's stem
MAX_BYTES = 1 << 30  # of a table, unpacked

# Parts of a configuration, and keys, that say where and how a run was trained and not what it is.
LOCAL = ("store", "launcher", "logger", "device", "threads", "checkpoint")
LOCAL_KEYS = ("data.path", "data.test_path", "metrics.weights", "search.storage")


class Records(NamedTuple):
    """The records of a row, by their names in `RECORDS`, as plain values."""

    kind: str
    id: str
    parts: dict[str, Any]


@dataclass(frozen=True)
class RunTable:
    """A table: its records (runs by id, then sweeps by name), and how many runs had not ended and are not in it."""

    rows: tuple[Records, ...]
    left_out: int = 0

    @property
    def runs(self) -> list[Records]:
        """The rows of runs."""
        return [row for row in self.rows if row.kind == RUN]

    @property
    def digest(self) -> str:
        """SHA-256 of ids and records, in hex."""
        made = sha256()
        for row in self.rows:
            made.update(_text([row.kind, row.id, row.parts]).encode() + b"\n")
        return made.hexdigest()

    def frame(self) -> pd.DataFrame:
        """The table: `COLUMNS`, then `RECORDS` as JSON; None where a row has none."""
        origins = _origins(self.rows)
        rows = []
        for row in self.rows:
            shown = _readable(row, origins.get(row.id)) if row.kind == RUN else {}
            texts = {name: _text(part) for name, part in row.parts.items()}
            rows.append({"record": row.kind, "id": row.id, **shown, **texts})
        empty = {key for key in DISTANCES if all(row.get(key) is None for row in rows)}
        frame = pd.DataFrame(rows, columns=[key for key in (*COLUMNS, *RECORDS) if key not in empty], dtype=object)
        return frame.where(frame.notna(), None)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def of_store(store: Store, sweep: str | None = None, runs: Collection[str] = ()) -> RunTable:
    """The table of a store, or of a sweep and `runs`, which are its. Raises `CorruptFile` for an unreadable record."""
    names = store.run_ids() if sweep is None else sorted(set(runs))
    rows, left_out = [], 0
    for name in names:
        run = store.run(name)
        if run.exists() and run.status().state in ENDED:
            rows.append(Records(RUN, name, _of_run(run, store)))
        else:
            left_out += 1
    sweeps = sorted({*store.sweep_names(), *store.searches()}) if sweep is None else [sweep]
    rows += [Records(SWEEP, name, _of_sweep(store, name)) for name in sweeps]
    return RunTable(tuple(rows), left_out)


def _of_run(run: RunFolder, store: Store) -> dict[str, Any]:
    rows, status, meta = run.rows(), run.status(), run.meta()
    machines = tuple(replace(machine, host=None) for machine in meta.machines)
    command = None if meta.command is None else public_words(meta.command)
    meta = replace(meta, overrides=public_words(meta.overrides), command=command, machines=machines)
    parts = {
        "config": public(run.config()),
        "state": status.to_json(),
        "meta": meta.to_json(),
        "metrics": [row.to_json() for row in rows],
        "protocols": {name: run.protocol(name).to_json() for name in dict.fromkeys(row.protocol for row in rows)},
    }
    found: dict[str, Any] = json.loads(_text(parts).replace(json.dumps(str(store.root))[1:-1], "store"))
    return found


def _of_sweep(store: Store, name: str) -> dict[str, Any]:
    folder, parts = store.sweep(name), dict[str, Any]()
    if folder.plan_file.exists():
        parts["plan"] = _public_plan(folder.plan()).to_json()
    if store.search_file(name).exists():
        parts["searches"] = _public_searches(folder.searches()).to_json()
    if trials := read_rows(store, name):
        parts["trials"] = [trial.to_json() for trial in trials]
    if folder.race_file.exists():
        parts["race"] = folder.race().to_json()
    return parts


def public(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what is of its machine; its run id is the same."""
    kept = {key: value for key, value in config.items() if key not in LOCAL}
    for key in LOCAL_KEYS:
        section, _, last = key.partition(".")
        if kept.get(section, {}).get(last) is not None:
            kept[section] = {**kept[section], last: None}
    return kept


def public_words(words: Iterable[str]) -> list[str]:
    """The KEY=VALUE of a command without those of its machine."""
    keys = [(word, word.partition("=")[0].lstrip("+~")) for word in words]
    return [word for word, key in keys if key.partition(".")[0] not in LOCAL and key not in LOCAL_KEYS]


def _public_plan(plan: PlanRecord) -> PlanRecord:
    return replace(plan, command=public_words(plan.command), launcher=None, execution={})


def _public_searches(found: SweepSearches) -> SweepSearches:
    cells = [replace(cell, base=public(cell.base), overrides=public_words(cell.overrides)) for cell in found.cells]
    return replace(found, storage="sqlite", cells=tuple(cells))


def _origins(rows: Iterable[Records]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Run id -> the sweep and trial that proposed it; a confirmation only if nothing else did."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    trials = [(row.id, trial) for row in rows for trial in row.parts.get("trials", ())]
    for name, trial in sorted(trials, key=lambda one: one[1]["stage"] == CONFIRM):
        found.setdefault(trial["run"], (name, trial))
    return found


def _readable(row: Records, origin: tuple[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    """`COLUMNS` of a run, from its records."""
    config, state, meta = (row.parts[key] for key in ("config", "state", "meta"))
    axes, (sweep, trial) = axes_of(config), origin or (None, {})
    machine: Mapping[str, Any] = next(iter(reversed(meta.get("machines") or [])), {})
    return {
        **{"status": state["status"], **axes, "cell": cell_label(axes)},
        **{"step": state.get("step", 0), **last_distance(row.parts)},
        **{key: state.get(key) or 0.0 for key in ("train_s", "eval_s", "wasted_s")},
        **{"device": machine.get("gpu") or machine.get("cpu"), "stage": trial.get("stage", GRID)},
        **{"sampler": trial.get("sampler"), "order": trial.get("order"), "sweep": sweep or meta.get("sweep")},
    }


def last_distance(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The run's own protocol, and the distance at its last evaluation if the run is done or stopped."""
    rows: list[Mapping[str, Any]] = parts["metrics"]
    if not rows:
        return {}
    own = rows[0]["protocol"]
    key = distance_key(parts["protocols"][own].get("extractor"))
    values = {row["step"]: row[key] for row in rows if row["protocol"] == own and key in row}
    scored = parts["state"]["status"] in (DONE, STOPPED) and values
    return {"protocol": own, key: values[max(values)] if scored else None}


def write(table: RunTable, file: Path) -> None:
    """Write the table in the format of the file's suffix. Equal tables give equal CSV files."""
    frame = table.frame()
    if file.name.endswith(".parquet"):
        held = io.BytesIO()
        _with_parquet(lambda: frame.to_parquet(held, index=False, compression="zstd"))
        write_whole(file, held.getvalue())
    else:
        data = frame.to_csv(index=False, lineterminator="\n").encode()
        write_whole(file, gzip.compress(data, 9, mtime=0) if file.name.endswith(".gz") else data)


def _with_parquet(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except ImportError as e:
        raise UserError("Parquet needs pyarrow: pip install 'gan-landscape[parquet]', or use .csv.gz") from e


def is_table(path: str | Path) -> bool:
    """Whether a path is a file by the name of a table; a store is a folder."""
    return str(path).endswith(SUFFIXES) and Path(path).expanduser().is_file()


def read(file: str | Path) -> RunTable:
    """The table in a file, checked. Raises `CorruptFile` for the first thing that does not match, or `UserError`."""
    file = Path(file).expanduser()
    frame = _frame(file)
    lacking = [name for name in ("record", "id", *OF_RUN) if name not in frame]
    if lacking:
        raise CorruptFile(f"{file} is not a table of runs: it lacks the column {lacking[0]}")
    rows = []
    for number, row in enumerate(frame.to_dict("records"), 1):
        kind, name = row["record"], row["id"]
        where = f"{file} row {number} ({kind} {name})"
        if kind not in (RUN, SWEEP):
            raise CorruptFile(f"{where}: a row is a {RUN} or a {SWEEP}")
        if not (isinstance(name, str) and (RUN_ID if kind == RUN else SWEEP_NAME).fullmatch(name)):
            raise CorruptFile(f"{where}: not an id")
        parts = _parsed(row, OF_RUN if kind == RUN else OF_SWEEP, where)
        checked = _checked_run(name, parts, where) if kind == RUN else _checked_sweep(parts, where)
        rows.append(Records(kind, name, checked))
    table = RunTable(tuple(rows))
    if len({(row.kind, row.id) for row in rows}) < len(rows):
        raise CorruptFile(f"{file} has two rows of one id")
    _check_columns(frame, table, file)
    named = DIGEST.search(_stem(file))
    if named and not table.digest.startswith(named[1]):
        raise CorruptFile(f"{file} is not what its name says: its digest begins with {table.digest[:12]}")
    return table


def _stem(file: Path) -> str:
    return next((file.name.removesuffix(end) for end in reversed(SUFFIXES) if file.name.endswith(end)), file.name)


def _frame(file: Path) -> pd.DataFrame:
    try:
        data = read_bounded(file, MAX_BYTES)
    except FileNotFoundError:
        raise UserError(f"there is no table at {file}") from None
    try:
        if file.name.endswith(".parquet"):
            found: pd.DataFrame = _with_parquet(lambda: pd.read_parquet(io.BytesIO(data)))
        else:
            if file.name.endswith(".gz"):
                unzip = zlib.decompressobj(wbits=31)
                data = unzip.decompress(data, MAX_BYTES)
                if unzip.unconsumed_tail:
                    raise CorruptFile(f"{file} unpacks to more than the limit of {MAX_BYTES:,} bytes")
            found = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    except (ValueError, OSError, zlib.error) as e:
        raise CorruptFile(f"{file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    found = found.astype(object)
    return found.where(found.notna() & (found != ""), None)


def _parsed(row: Mapping[Any, Any], names: Iterable[str], where: str) -> dict[str, Any]:
    found = {}
    for name in names:
        text = row.get(name)
        if text is None:
            continue
        try:
            found[name] = parse_json(str(text).encode())
        except ValueError as e:
            raise CorruptFile(f"{where}: {name} is not valid JSON ({e})") from e
    return found


def _checked_run(name: str, parts: dict[str, Any], where: str) -> dict[str, Any]:
    """The records of a run, as a store would hold them; raises `CorruptFile`."""
    for key in OF_RUN:
        if key not in parts:
            raise CorruptFile(f"{where} lacks {key}")
    config = public(formats.CONFIG.checked(parts["config"], f"{where}: config"))
    try:
        mine = run_id(config)
        matches = mine == name or bool(superseded(name, config))
    except (KeyError, TypeError, ValueError) as e:
        raise CorruptFile(f"{where}: its configuration has no id ({e})") from e
    if not matches:
        raise CorruptFile(f"{where}: its configuration has the id {mine}")
    status = RunStatus.from_json(parts["state"], f"{where}: state")
    if status.state not in ENDED:
        raise CorruptFile(f"{where}: it has not ended ({status.state})")
    axes = axes_of(config)
    if any(axes[key] != status.axes[key] for key in axes.keys() & status.axes.keys()):
        raise CorruptFile(f"{where}: its state is of another configuration")
    meta = RunMeta.from_json(parts["meta"], f"{where}: meta")
    meta = replace(
        meta,
        overrides=public_words(meta.overrides),
        command=None if meta.command is None else public_words(meta.command),
    )
    if not isinstance(parts["metrics"], list) or not isinstance(parts["protocols"], dict):
        raise CorruptFile(f"{where}: metrics are a list, and protocols a mapping")
    rows = [MetricsRow.from_json(row, f"{where}: metrics") for row in parts["metrics"]]
    texts = {key: EvalProtocol.from_json(text, f"{where}: protocol") for key, text in parts["protocols"].items()}
    for key, text in texts.items():
        if text.id != key:
            raise CorruptFile(f"{where}: protocol {key} has the id {text.id}")
    if unknown := {row.protocol for row in rows} - set(texts):
        raise CorruptFile(f"{where}: it lacks protocol {min(unknown)}")
    return {
        "config": config,
        "state": status.to_json(),
        "meta": meta.to_json(),
        "metrics": [row.to_json() for row in rows],
        "protocols": {key: text.to_json() for key, text in texts.items()},
    }


def _checked_sweep(parts: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "plan" in parts:
        found["plan"] = _public_plan(PlanRecord.from_json(parts["plan"], f"{where}: plan")).to_json()
    if "searches" in parts:
        searches = SweepSearches.from_json(parts["searches"], f"{where}: searches")
        found["searches"] = _public_searches(searches).to_json()
    if "trials" in parts:
        if not isinstance(parts["trials"], list):
            raise CorruptFile(f"{where}: trials are a list")
        found["trials"] = [TrialRecord.from_json(one, f"{where}: trials").to_json() for one in parts["trials"]]
    if "race" in parts:
        race = Race.from_json(parts["race"], f"{where}: race")
        if what := race.stranger():
            raise CorruptFile(f"{where}: race has {what} of a cell that it lacks")
        found["race"] = race.to_json()
    return found


def _check_columns(frame: pd.DataFrame, table: RunTable, file: Path) -> None:
    """Raise `CorruptFile` where a readable column does not say what the records say."""
    made = table.frame()
    for column in COLUMNS:
        if column not in frame or column not in made:
            continue
        for number, (given, known) in enumerate(zip(frame[column], made[column], strict=True), 1):
            if not _same(given, known):
                raise CorruptFile(f"{file} row {number}: {column} is {given}, but its records say {known}")


def _same(given: Any, known: Any) -> bool:
    if isinstance(known, int | float):
        try:
            return float(given) == float(known)
        except (TypeError, ValueError):
            return False
    return (given or None) == (known or None)


def put(table: RunTable, store: Store) -> tuple[int, int]:
    """Add the table's runs and sweeps to a store; returns how many runs are new, and how many it had already. What is
    there is left as it is."""
    store.check_writable()
    new = 0
    for row in table.runs:
        parts = row.parts
        files = {"metrics.jsonl": "".join(json.dumps(one) + "\n" for one in parts["metrics"])}
        files |= {f"protocols/{name}.json": to_json(text) for name, text in parts["protocols"].items()}
        meta, status = RunMeta.from_json(parts["meta"], row.id), RunStatus.from_json(parts["state"], row.id)
        run = store.run(row.id)
        new += not run.exists() and run.create(parts["config"], meta, status, files=files)
    for row in table.rows:
        folder = store.sweep(row.id) if row.kind == SWEEP else None
        if folder is None or folder.path.exists():
            continue
        folder.path.mkdir(parents=True, exist_ok=True)
        if "searches" in row.parts:
            write_whole(store.search_file(row.id), to_json(row.parts["searches"]))
        if "trials" in row.parts:
            lines = "".join(json.dumps(one) + "\n" for one in row.parts["trials"])
            write_whole(store.trials_file(row.id), lines)
        if "race" in row.parts:
            write_whole(folder.race_file, to_json(row.parts["race"]))
        if "plan" in row.parts:
            write_whole(folder.plan_file, to_json(row.parts["plan"]), alone=True)
    return new, len(table.runs) - new
