"""The folder of a run: its files, and how each is read and written."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from landscape.config.axes import axes_of
from landscape.config.errors import CorruptFile
from landscape.scores import SCORES, STORED
from landscape.store import formats, old_names
from landscape.store.atomic_io import (
    beside_of,
    link_or_copy,
    open_regular,
    read_bounded,
    read_json,
    read_yaml,
    to_json,
    to_yaml,
    write_whole,
)
from landscape.store.formats import (
    DIVERGED,
    DONE,
    PLANNED,
    PREEMPTED,
    RUN_ID,
    STOPPED,
)
from landscape.store.metrics_row import MetricsRow
from landscape.store.old_names import named
from landscape.store.process_record import ClaimRecord
from landscape.store.protocols import EvalProtocol, EvalRequest
from landscape.store.record import parsed, read, read_lines
from landscape.store.run_meta import Continued, RunMeta
from landscape.store.run_status import RunStatus

CONFIG, META, STATUS, METRICS, LOG = "config.yaml", "meta.json", "status.json", "metrics.jsonl", "log.txt"
_REQUEST = re.compile(RUN_ID.pattern + r"\.yaml")
_PICTURE = re.compile(r"(?:(?P<score>\w+)-)?(?P<step>\d+)(?:-(?P<protocol>\w+))?\.png")  # in samples/


def _below(name: str) -> cached_property[Path]:
    """The path `name` in a folder, computed on demand, because a store has thousands of folders."""
    return cached_property(lambda folder: folder.path / name)


class RunFolder:
    """The folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    @cached_property
    def within(self) -> tuple[Path, ...]:
        """Folders that links may lead to: the store, and `runs`, which may be a link itself."""
        return self.path.parent.parent, self.path.parent

    config_file = _below(CONFIG)
    meta_file = _below(META)
    status_file = _below(STATUS)
    metrics_file = _below(METRICS)
    log_file = _below(LOG)
    mirror_file = _below("mirror.json")
    samples = _below("samples")
    checkpoints = _below("checkpoint")
    protocols = _below("protocols")
    requests = _below("requests")
    claims = _below("claims")
    newest_checkpoint = _below("checkpoint/newest.pt")
    previous_checkpoint = _below("checkpoint/previous.pt")
    weights = _below("checkpoint/weights.pt")

    def sample_grid(self, step: int) -> Path:
        """The picture of samples at `step`. Names sort by step."""
        return self.samples / f"{step:08d}.png"

    def picture(self, score: str, step: int, protocol: str) -> Path:
        """The picture of a score at an evaluation (closest pairs, nearest neighbors)."""
        return self.samples / f"{score}-{step:08d}-{protocol}.png"

    def newest_pictures(self) -> dict[tuple[str, str], tuple[int, Path]]:
        """(score, protocol) -> (step, path) of the latest picture of each kind; ("", "") is the sample grid.

        Lists the folder once. Empty if it cannot be read.
        """
        found: dict[tuple[str, str], tuple[int, Path]] = {}
        try:
            names = os.listdir(self.samples)
        except OSError:
            return found
        for name in names:
            parts = _PICTURE.fullmatch(name)
            if parts:
                kind, step = (parts["score"] or "", parts["protocol"] or ""), int(parts["step"])
                if kind not in found or found[kind][0] < step:
                    found[kind] = step, self.samples / name
        return found

    def protocol_file(self, protocol: str) -> Path:
        """Path of a protocol by its id."""
        return self.protocols / f"{protocol}.json"

    def read_by_reports(self, protocols: Iterable[str]) -> list[str]:
        """Paths of configuration, status, meta, metrics, log and these protocols, for readers of thousands of runs."""
        names = (CONFIG, STATUS, META, METRICS, LOG, *(f"protocols/{name}.json" for name in protocols))
        return [f"{self.path}/{name}" for name in names]

    def request_file(self, request: str) -> Path:
        """Path of a request by its id."""
        return self.requests / f"{request}.yaml"

    def exists(self) -> bool:
        """Whether the run was planned."""
        return self.config_file.exists()

    def create(
        self,
        config: dict[str, Any],
        meta: RunMeta,
        status: RunStatus,
        shorter: RunFolder | None = None,
        files: Mapping[str, str] | None = None,
    ) -> bool:
        """Write a planned run atomically. Returns False if another planner was faster; its files are equal.

        It continues `shorter`, a finished run that is equal but for its length, if that is given. An imported run has
        further `files`, by their names in its folder. Raises `OSError` and `CorruptFile`.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = beside_of(self.path)
        beside.mkdir()
        new = RunFolder(beside)
        try:
            for folder in (new.claims, new.checkpoints, new.samples, new.protocols, new.requests):
                folder.mkdir()
            if shorter is not None:
                meta, status = new._begin_as(shorter, meta, status)
            for file, text in (
                (new.config_file, to_yaml(config)),
                (new.meta_file, to_json(meta.to_json())),
                (new.status_file, to_json(status.to_json())),
            ):
                with open(file, "w") as f:
                    f.write(text)
                    f.flush()
                    os.fsync(f.fileno())
            for name, text in (files or {}).items():
                (beside / name).write_text(text)
            beside.rename(self.path)
            return True
        except (OSError, CorruptFile):
            shutil.rmtree(beside, ignore_errors=True)
            if not self.exists():
                raise
            return False

    def _begin_as(self, shorter: RunFolder, meta: RunMeta, status: RunStatus) -> tuple[RunMeta, RunStatus]:
        """Take over what a shorter run has come to: its last checkpoint, the rows of its training, and pictures.

        Returns the record and the status of a run that continues it. The files of the shorter run are linked where they
        are never written in place, so they take no room, and stay as they are.
        """
        ended, theirs = shorter.status(), shorter.meta()
        rows = shorter.rows_of_training()
        link_or_copy(shorter.newest_checkpoint, self.newest_checkpoint)
        with open(self.metrics_file, "w") as f:
            f.writelines(json.dumps(replace(row, copied_from=shorter.id).to_json()) + "\n" for row in rows)
            f.flush()
            os.fsync(f.fileno())
        for protocol in {row.protocol for row in rows}:
            link_or_copy(shorter.protocol_file(protocol), self.protocol_file(protocol))
        for picture in shorter.samples.glob("*.png"):
            link_or_copy(picture, self.samples / picture.name)
        last = rows[-1] if rows else ended
        seconds = {key: getattr(last, key) for key in ("train_s", "eval_s", "train_busy_s", "eval_busy_s")}
        continues = Continued(run=shorter.id, step=ended.step, **seconds)
        return replace(meta, continues=continues, machines=theirs.machines), replace(
            status, step=ended.step, steps=status.axes["steps"]
        )

    def rows_of_training(self) -> list[MetricsRow]:
        """The rows that a finished run was given while it trained: without those of later requests for scores."""
        if not self.config()["metrics"].get("scores"):
            return []
        rows, step = self.rows(), self.status().step
        return rows[: 1 + next((i for i, row in enumerate(rows) if row.step == step), len(rows))]

    def set_aside(self) -> RunFolder:
        """Rename the folder, to remove it or put it back. Returns the renamed folder."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return RunFolder(gone)

    def config(self) -> dict[str, Any]:
        """The frozen configuration. Raises `CorruptFile` or `FileNotFoundError`."""
        kind = formats.CONFIG
        return kind.checked(read_yaml(self.config_file, kind.limit, self.within), self.config_file)

    def meta(self) -> RunMeta:
        """Origin of the run and its machines. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(RunMeta, self.meta_file, self.within)

    def status(self) -> RunStatus:
        """The status. Raises `CorruptFile` or `FileNotFoundError`.

        An empty file, as a power failure may leave it, is replaced by a status reconstructed from rows and checkpoints.
        """
        data = read_bounded(self.status_file, RunStatus.LIMIT, self.within)
        if not data.strip(b"\0"):
            return self._reconstruct_status()
        status = parsed(RunStatus, data, self.status_file)
        return replace(status, scores=self._named(status.scores, status.scores.get("protocol")))

    def _reconstruct_status(self) -> RunStatus:
        """The status as far as other files tell. In doubt the run is trained again, which gives identical results."""
        config, rows = self.config(), self.rows()
        steps = config["train"]["steps"]
        own = [row for row in rows if row.protocol == rows[0].protocol]  # the first row has the run's own protocol
        warning = "status.json was empty (power failure?) and was reconstructed from other files"
        state = PREEMPTED if rows or self.newest_checkpoint.exists() else PLANNED
        made = RunStatus(state=state, axes=axes_of(config), steps=steps, warnings=[warning])
        if rows:
            last = rows[-1]
            known = {key: last.values[key] for key in STORED if key in last.values}
            scores = {"step": last.step, "protocol": last.protocol, **known}
            made = replace(made, step=own[-1].step, scores=scores, train_s=last.train_s, eval_s=last.eval_s)
        if rows and self.weights.exists():  # weights are saved when training has ended
            why = own[-1].why
            if why and all(_lacks(why, score) for score in config["metrics"].get("scores") or []):  # no score is finite
                return replace(made, state=DIVERGED, reason=str(next(iter(why.values()))))
            if own[-1].step == steps:
                return replace(made, state=DONE)
            if self.newest_checkpoint.exists():
                return replace(made, state=STOPPED, reason="its reason was lost with its status.json")
        return made

    def read_request(self, file: Path) -> EvalRequest:
        """A request for scores. Raises `CorruptFile` or `FileNotFoundError`."""
        return EvalRequest.from_json(read_yaml(file, EvalRequest.LIMIT, self.within), file)

    def asked(self) -> list[EvalRequest]:
        """The requests for scores beyond those of the configuration, by name. Raises `CorruptFile`."""
        try:
            names = sorted(name for name in os.listdir(self.requests) if _REQUEST.fullmatch(name))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.read_request(self.requests / name) for name in names]

    def pending_requests(self) -> list[EvalRequest]:
        """The requests of `asked` that are not complete according to the status."""
        asked = self.asked()
        status = self.status() if asked else None
        return [one for one in asked if one.missing(status)]

    def mirrored(self) -> dict[str, Any]:
        """Which rows and samples an experiment tracker has. Raises `CorruptFile` or `FileNotFoundError`."""
        kind = formats.MIRROR
        return kind.checked(read_json(self.mirror_file, kind.limit, self.within), self.mirror_file)

    def claim(self, number: int) -> ClaimRecord:
        """The lease with this number. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(ClaimRecord, self.claims / f"{number}.json", self.within)

    def write_status(self, status: RunStatus, durable: bool = True) -> None:
        """Write the status. Only the run's lease holder or its planner may."""
        write_whole(self.status_file, to_json(status.to_json()), durable)

    def write_meta(self, meta: RunMeta) -> None:
        """Write `meta.json`."""
        write_whole(self.meta_file, to_json(meta.to_json()))

    def rows(self) -> list[MetricsRow]:
        """The rows of `metrics.jsonl`, oldest first; empty if there is no file.

        An incomplete last line (power failure) is ignored. Another invalid line raises `CorruptFile` with its number.
        """
        rows = read_lines(MetricsRow, self.metrics_file, self.within)
        return [self._named_row(row) if old_names.OLD in row.values else row for row in rows]

    def append_row(self, row: MetricsRow) -> None:
        """Append a row durably. Raises `ValueError` for NaN: write null and a reason.

        An incomplete last line is removed first.
        """
        line = (json.dumps(row.to_json(), allow_nan=False) + "\n").encode()
        with open(self.metrics_file, "a+b") as f:
            f.seek(0)
            f.truncate(f.read().rfind(b"\n") + 1)
            f.write(line)
            f.flush()
            os.fsync(f.fileno())

    def cut_rows(self, count: int) -> int:
        """Keep the first `count` rows (those before the checkpoint). Returns the number of removed rows.

        Raises `CorruptFile` if there are fewer.
        """
        rows = self.rows()
        if len(rows) < count:
            raise CorruptFile(f"{self.metrics_file} has {len(rows)} rows, but the checkpoint has {count}")
        write_whole(self.metrics_file, "".join(json.dumps(row.to_json()) + "\n" for row in rows[:count]))
        return len(rows) - count

    def protocol(self, protocol: str) -> EvalProtocol:
        """A protocol by its id. Raises `CorruptFile` or `FileNotFoundError`."""
        found = read(EvalProtocol, self.protocol_file(protocol), self.within)
        return replace(found, floor=named(found.floor, found.extractor)) if found.floor else found

    def _named_row(self, row: MetricsRow) -> MetricsRow:
        return replace(row, more=self._named(row.more, row.protocol), why=self._named(row.why, row.protocol))

    def _named(self, scores: Mapping[str, Any], protocol: str | None) -> Mapping[str, Any]:
        """`old_names.named` of values under a protocol; unchanged if the protocol cannot be read."""
        if old_names.OLD not in scores or protocol is None:
            return scores
        key = self.path.parent, protocol
        if key not in _EXTRACTORS:
            try:
                _EXTRACTORS[key] = self.protocol(protocol).extractor
            except (CorruptFile, OSError):
                return scores
        return named(scores, _EXTRACTORS[key])

    def open_log(self) -> BinaryIO:
        """The log, opened for reading. Raises `CorruptFile` or `FileNotFoundError`."""
        return open_regular(self.log_file, self.within)

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of the log; empty if it is missing or unreadable."""
        try:
            with self.open_log() as f:
                f.seek(0, os.SEEK_END)
                f.seek(max(0, f.tell() - 16384))
                return "\n".join(f.read(16384).decode(errors="replace").splitlines()[-lines:])
        except (FileNotFoundError, CorruptFile):
            return ""


_EXTRACTORS: dict[tuple[Path, str], str | None] = {}  # by folder of runs and protocol id


def _lacks(why: Mapping[str, Any], score: str) -> bool:
    """Whether a row's reasons explain that a score is missing."""
    columns = SCORES[score].columns if score in SCORES else ()
    return score in why or any(column.keys & why.keys() for column in columns)
