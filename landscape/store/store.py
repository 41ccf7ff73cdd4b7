"""The store: every path and file name in it, and how each file is read and written. No torch.

    <store>/
      runs/<id>/
        config.yaml        frozen at planning: all that the run is
        meta.json          the overrides, the planner's code version, one entry for each machine it was on
        status.json        state, heartbeat, axes, newest scores: the one file that `status` reads
        metrics.jsonl      one row an evaluation
        protocols/<p>.json the full text of each protocol that a row names
        requests/<r>.yaml  scores asked for beyond those of config.yaml
        claims/<n>.json    who works on it; the highest number is in force
        checkpoint/        the last two checkpoints while it trains, the kept weights afterwards
        samples/<step>.png sample grids; <score>-<step>-<protocol>.png pictures that belong to a score
        log.txt            what the worker printed
        mirror.json        which rows a mirror of the run (wandb) has
      sweeps/<name>/       nothing that a run needs
        plan.json          a plan: which runs, from which command
        jobs.json          which resources each of them gets from a scheduler
        submissions.jsonl  what was handed to the scheduler, one array a line, and what became of it
        logs/              what the scheduler's jobs printed
        controller.json    the process that trains it on its own machine
        search.json        its searches, a cell each: what they vary and how
        trials.jsonl       where its runs came from: grid, search or confirm, in which order
        search/            the searches' trials (SQLite or journals), locks, and the logs of their workers
      cache/               trained extractors and reference statistics, by content
        datasets/<digest>/ a decoded data set: header.json, and images, labels, train, test as .npy
        sources/<f>.json   which data set the files of this fingerprint decode to
        sizes/<f>.json     how many images of which size the files of this fingerprint are
        weights/<digest>.pth   published weights of an extractor, as they were given or downloaded
        downloads/<kind>/  what landscape.prefetch fetched
      wandb/               what logger=wandb leaves for `wandb sync`

Other modules ask here for a path and never build one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from landscape.config.errors import UserError
from landscape.config.identity import axes
from landscape.store import formats
from landscape.store.atomic_io import (
    CorruptFile,
    beside_of,
    is_ours_alone,
    open_regular,
    parse_json,
    read_bounded,
    read_json,
    read_opened,
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
    SWEEP_NAME,
    Kind,
)

FINISHED = (DONE, DIVERGED, STOPPED)  # training is over and its outcome is a result

CONFIG, META, STATUS, METRICS, LOG = "config.yaml", "meta.json", "status.json", "metrics.jsonl", "log.txt"


_REQUEST = re.compile(RUN_ID.pattern + r"\.yaml")
_PICTURE = re.compile(r"(?:(?P<score>\w+)-)?(?P<step>\d+)(?:-(?P<protocol>\w+))?\.png")  # in samples/


def _below(name: str) -> cached_property[Path]:
    """The path `name` in a folder, made when it is first asked for: a store has thousands of folders."""
    return cached_property(lambda folder: folder.path / name)


class RunFolder:
    """One run's folder: names of its files, and reading and writing of those that several parts share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    @cached_property
    def within(self) -> tuple[Path, ...]:
        """Where links in the folder may lead: anywhere in the store; its `runs` may be a link itself."""
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
        """The picture of samples at `step`; names sort by step."""
        return self.samples / f"{step:08d}.png"

    def picture(self, score: str, step: int, protocol: str) -> Path:
        """A picture that a score keeps of an evaluation (closest pairs, nearest neighbours)."""
        return self.samples / f"{score}-{step:08d}-{protocol}.png"

    def newest_pictures(self) -> dict[tuple[str, str], tuple[int, Path]]:
        """(score, protocol) -> step and path of the newest picture of each kind; ("", "") is the grid of samples.

        From one look into the folder; empty where it cannot be read.
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
        return self.protocols / f"{protocol}.json"

    def read_by_reports(self, protocols: Iterable[str]) -> list[str]:
        """Configuration, status, meta, metrics, log and these protocols' files, for those who look at thousands."""
        names = (CONFIG, STATUS, META, METRICS, LOG, *(f"protocols/{name}.json" for name in protocols))
        return [f"{self.path}/{name}" for name in names]

    def request_file(self, request: str) -> Path:
        return self.requests / f"{request}.yaml"

    def exists(self) -> bool:
        return self.config_file.exists()

    def create(self, config: dict[str, Any], meta: dict[str, Any], status: dict[str, Any]) -> bool:
        """Freeze a planned run; whether this call did. The folder appears whole: it is filled beside and renamed.

        Another planner may have frozen the same run meanwhile; then theirs stays, being equal.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = beside_of(self.path)
        beside.mkdir()
        new = RunFolder(beside)
        try:
            for file, text in (
                (new.config_file, to_yaml(config)),
                (new.meta_file, to_json(meta)),
                (new.status_file, to_json(status)),
            ):
                with open(file, "w") as f:
                    f.write(text)
                    f.flush()
                    os.fsync(f.fileno())
            for folder in (new.claims, new.checkpoints, new.samples, new.protocols, new.requests):
                folder.mkdir()
            beside.rename(self.path)
            return True
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            if not self.exists():
                raise
            return False

    def set_aside(self) -> RunFolder:
        """Take the folder from under its name, to be removed or put back; the folder as it is now."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return RunFolder(gone)

    def config(self) -> dict[str, Any]:
        """The frozen configuration; raises `CorruptFile`, or `FileNotFoundError`."""
        kind = formats.CONFIG
        return kind.checked(read_yaml(self.config_file, kind.limit, self.within), self.config_file)

    def meta(self) -> dict[str, Any]:
        """How the run came about and where it was; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.meta_file, formats.META)

    def status(self) -> dict[str, Any]:
        """The status; raises `CorruptFile`, or `FileNotFoundError`.

        An empty file, as a power cut leaves where renames reach the disk before what they name, is none: the status is
        made again of the rows and the checkpoints.
        """
        data = read_bounded(self.status_file, formats.STATUS.limit, self.within)
        if not data.strip(b"\0"):
            return self._status_again()
        return _parsed(data, self.status_file, formats.STATUS)

    def _status_again(self) -> dict[str, Any]:
        """What the status must have been, as far as the other files tell; where they do not, the run is to be trained.

        A run trained again gives the same bits, so that doubt costs time and no result.
        """
        config, rows = self.config(), self.rows()
        steps, last = config["train"]["steps"], rows[-1] if rows else {}
        own = [row for row in rows if row["protocol"] == rows[0]["protocol"]]  # the first is of the run's own protocol
        made: dict[str, Any] = {"status": PLANNED, "axes": axes(config), "steps": steps}
        made["warnings"] = ["status.json was empty, as a power cut leaves it; it is made again of other files"]
        if rows:
            made |= {"status": PREEMPTED, "step": own[-1]["step"]}
            made |= {key: last[key] for key in ("train_s", "eval_s") if last.get(key) is not None}
            made["scores"] = {key: last[key] for key in ("step", "protocol", "fid", "is", "ms_ssim") if key in last}
        elif self.newest_checkpoint.exists():
            made["status"] = PREEMPTED
        if rows and self.weights.exists():  # they are kept once training is over
            why = own[-1].get("why") or {}
            if why and set(config["metrics"].get("scores") or []) <= set(why):  # none is finite
                made |= {"status": DIVERGED, "reason": str(next(iter(why.values())))}
            elif own[-1]["step"] == steps:
                made["status"] = DONE
            elif self.newest_checkpoint.exists():
                made |= {"status": STOPPED, "reason": "its reason was lost with its status.json"}
        return made

    def _read(self, file: Path, kind: Kind) -> dict[str, Any]:
        return kind.checked(read_json(file, kind.limit, self.within), file)

    def read_request(self, file: Path) -> dict[str, Any]:
        """A request for scores; raises `CorruptFile`, or `FileNotFoundError`."""
        kind = formats.REQUEST
        return kind.checked(read_yaml(file, kind.limit, self.within), file)

    def asked(self) -> list[dict[str, Any]]:
        """The requests for scores beyond those of the configuration, by name; raises `CorruptFile`."""
        try:
            names = sorted(name for name in os.listdir(self.requests) if _REQUEST.fullmatch(name))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.read_request(self.requests / name) for name in names]

    def mirrored(self) -> dict[str, Any]:
        """Which rows and samples a mirror has; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.mirror_file, formats.MIRROR)

    def claim(self, number: int) -> dict[str, Any]:
        """The claim of this number; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.claims / f"{number}.json", formats.PROCESS)

    def write_status(self, status: dict[str, Any], durable: bool = True) -> None:
        write_whole(self.status_file, to_json(status), durable)

    def write_meta(self, meta: dict[str, Any]) -> None:
        write_whole(self.meta_file, to_json(meta))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`, oldest first; none where there is no file.

        A torn last line (a power cut while it was appended) is ignored; anything else that is no row raises
        `CorruptFile` with the line's number.
        """
        try:
            data = read_bounded(self.metrics_file, formats.ROW.limit, self.within)
        except FileNotFoundError:
            return []
        return _parsed_lines(data, self.metrics_file, formats.ROW)

    def append_row(self, row: dict[str, Any]) -> None:
        """Add one row, on the disk before this returns. NaN is refused: write null and a reason.

        A torn last line is cut first: a row appended to it would make a line that never reads.
        """
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        with open(self.metrics_file, "a+b") as f:
            f.seek(0)
            f.truncate(f.read().rfind(b"\n") + 1)
            f.write(line)
            f.flush()
            os.fsync(f.fileno())

    def cut_rows(self, count: int) -> int:
        """Keep the first `count` rows (those a checkpoint knows of) and return how many were cut.

        Raises `CorruptFile` where there are fewer.
        """
        rows = self.rows()
        if len(rows) < count:
            raise CorruptFile(f"{self.metrics_file} holds {len(rows)} rows, and the checkpoint knows of {count}")
        write_whole(self.metrics_file, "".join(json.dumps(row) + "\n" for row in rows[:count]))
        return len(rows) - count

    def protocol(self, protocol: str) -> dict[str, Any]:
        """The full text of a protocol that a row names; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.protocol_file(protocol), formats.PROTOCOL)

    def open_log(self) -> BinaryIO:
        """The log, to be read from any place; raises `CorruptFile` where it is none, or `FileNotFoundError`."""
        return open_regular(self.log_file, self.within)

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of the log; empty where there is none, or none that may be read."""
        try:
            with self.open_log() as f:
                f.seek(0, os.SEEK_END)
                f.seek(max(0, f.tell() - 16384))
                return "\n".join(f.read(16384).decode(errors="replace").splitlines()[-lines:])
        except (FileNotFoundError, CorruptFile):
            return ""


class SweepFolder:
    """A sweep's folder: its plan, and who was asked to train it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.plan_file = path / "plan.json"
        self.jobs_file = path / "jobs.json"
        self.submissions_file = path / "submissions.jsonl"
        self.logs = path / "logs"
        self.controller_file = path / "controller.json"

    def job_log(self, job: str, number: int) -> Path:
        """What one task of an array printed."""
        return self.logs / f"{job}_{number}.log"

    def set_aside(self) -> Path:
        """Take the folder from under its name, to be removed; where it is now."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return gone

    @property
    def within(self) -> tuple[Path, ...]:
        """Where links in the folder may lead, as of a `RunFolder`."""
        return self.path.parent.parent, self.path.parent

    def _read(self, file: Path, kind: Kind) -> dict[str, Any]:
        return kind.checked(read_json(file, kind.limit, self.within), file)

    def plan(self) -> dict[str, Any]:
        """The plan's record; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.plan_file, formats.PLAN)

    def jobs(self) -> dict[str, Any]:
        """The resources of its runs; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.jobs_file, formats.JOBS)

    def signed_plan(self) -> tuple[dict[str, Any], bool]:
        """As `plan`, and whether no other user can have written it."""
        return self._read_signed(self.plan_file, formats.PLAN)

    def signed_jobs(self) -> tuple[dict[str, Any], bool]:
        """As `jobs`, and whether no other user can have written it."""
        return self._read_signed(self.jobs_file, formats.JOBS)

    def _read_signed(self, file: Path, kind: Kind) -> tuple[dict[str, Any], bool]:
        with open_regular(file, self.within) as f:
            return _parsed(read_opened(f, file, kind.limit), file, kind), is_ours_alone(f, file)

    def controller(self) -> dict[str, Any]:
        """The process that trains it on its own machine; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.controller_file, formats.PROCESS)

    def search_worker(self, file: Path) -> dict[str, Any]:
        """A process that works on its searches; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(file, formats.PROCESS)

    def searches(self) -> dict[str, Any]:
        """Its searches as data; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.path / "search.json", formats.SEARCH)

    def trials(self) -> list[dict[str, Any]]:
        """The rows of `trials.jsonl`, a torn last line left out; none where there is no file. Raises `CorruptFile`."""
        file = self.path / "trials.jsonl"
        try:
            data = read_bounded(file, formats.TRIAL.limit, self.within)
        except FileNotFoundError:
            return []
        return _parsed_lines(data, file, formats.TRIAL)

    def submitted(self, token: str = "") -> Iterator[dict[str, Any]]:
        """The lines of `submissions.jsonl` that hold `token`; torn ones are passed over. Raises `CorruptFile`."""
        try:
            data = read_bounded(self.submissions_file, formats.SUBMISSION.limit, self.within)
        except FileNotFoundError:
            return
        for number, line in enumerate(data.split(b"\n"), 1):
            if token.encode() not in line:
                continue
            try:
                event = parse_json(line)
            except ValueError:
                continue
            yield formats.SUBMISSION.checked(event, f"{self.submissions_file} line {number}")


class DatasetFolder:
    """A decoded data set's folder; its name is the digest of what it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header_file = path / "header.json"

    def array_file(self, name: str) -> Path:
        """Where one of "images", "labels", "train" and "test" lies."""
        return self.path / f"{name}.npy"

    def remove(self) -> None:
        """Take the folder away, first from under its name, so that nobody meets half of it."""
        gone = beside_of(self.path.with_name(self.path.name.lstrip(".")))
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)


class Store:
    """The store at `root`; nothing is created until something is written."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.runs = self.root / "runs"
        self.sweeps = self.root / "sweeps"
        self.cache = self.root / "cache"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, which need not be there; raises `UserError` for what can be no run's id."""
        if not RUN_ID.fullmatch(run_id):
            raise UserError(f"{run_id!r} is no run's id: one has letters, digits, - and _")
        return RunFolder(self.runs / run_id)

    def run_ids(self) -> list[str]:
        """The id of every run in the store, in order; half-made folders (their names begin with a dot) are none."""
        return sorted(name for name in self._folders() if RUN_ID.fullmatch(name))

    def strangers(self) -> list[str]:
        """A sentence on what lies among the runs and is none by its name: it is passed over."""
        names = sorted(name for name in self._folders() if not RUN_ID.fullmatch(name))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        shown = ", ".join(map(ascii, names[:3]))
        return [f"passed over in {self.runs}, being named as no run is: {shown}{more}"] if names else []

    def _folders(self) -> list[str]:
        try:
            return [e.name for e in os.scandir(self.runs) if not e.name.startswith(".") and e.is_dir()]
        except FileNotFoundError:
            return []

    def status_of(self, run_id: str) -> tuple[dict[str, Any], float]:
        """A run's status and when it was written, in the file system's own seconds; raises `CorruptFile`, `OSError`.

        For those who read thousands: it makes none of the paths of a `RunFolder`.
        """
        file = f"{self.runs}/{run_id}/{STATUS}"
        with open_regular(file, (self.root, self.runs)) as f:
            found = os.fstat(f.fileno())
            if 0 < found.st_size <= formats.STATUS.limit and (data := f.read(found.st_size)).strip(b"\0"):
                return _parsed(data, file, formats.STATUS), found.st_mtime
        return self.run(run_id).status(), found.st_mtime

    def run_folders(self) -> Iterator[RunFolder]:
        """Every run in the store, by id."""
        yield from map(self.run, self.run_ids())

    def sweep(self, name: str) -> SweepFolder:
        """The folder of a sweep, which need not be there; raises `UserError` for what can be no sweep's name."""
        if not SWEEP_NAME.fullmatch(name):
            raise UserError(f"{name!r} is no name of a sweep")
        return SweepFolder(self.sweeps / name)

    def sweep_folders(self) -> list[SweepFolder]:
        """Every sweep of the store that has a plan, by name."""
        return [SweepFolder(self.sweeps / name) for name in self._sweeps_with("plan.json")]

    def _sweeps_with(self, file: str) -> list[str]:
        names = (found.parent.name for found in self.sweeps.glob(f"*/{file}"))
        return sorted(name for name in names if SWEEP_NAME.fullmatch(name))

    def submit_lock(self) -> Path:
        """Held by whoever submits, so that two commands at once do not submit one run twice."""
        return self.sweeps / ".submit.lock"

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that were planned into this store, sorted."""
        return self._sweeps_with("plan.json")

    def search_file(self, name: str) -> Path:
        return self.sweeps / name / "search.json"

    def trials_file(self, name: str) -> Path:
        """The trials of a search: one JSON object a line, which run, from which stage and sampler, in which order."""
        return self.sweeps / name / "trials.jsonl"

    def searches(self) -> list[str]:
        """Names of the sweeps that have trials, sorted."""
        return self._sweeps_with("trials.jsonl")

    def search_storage(self, name: str, file: str) -> Path:
        """Where a file of a sweep's search lies: a data base, a journal, a lock, a worker's log."""
        return self.sweeps / name / "search" / file

    def search_workers(self, name: str) -> Path:
        """The folder in which each worker of a sweep's searches says which process it is, while it works."""
        return self.sweeps / name / "search" / "workers"

    def cached(self, kind: str, key: str, suffix: str) -> Path:
        """Where the thing of this kind ("classifier", "reference") and content key lies, or will."""
        return self.cache / kind / f"{key}{suffix}"

    def weights_file(self, digest: str) -> Path:
        """Where the published weights whose file has this SHA-256 lie, or will."""
        return self.cached("weights", digest, ".pth")

    def weights(self, begins: str) -> list[Path]:
        """The published weights here whose SHA-256 begins so."""
        return sorted((self.cache / "weights").glob(f"{begins}*.pth"))

    def lock_file(self, kind: str, key: str) -> Path:
        return self.cache / kind / f".{key}.lock"

    def dataset(self, content: str) -> DatasetFolder:
        """Where the decoded data set of this digest lies, or will."""
        return DatasetFolder(self.cache / "datasets" / content)

    def dataset_in_the_making(self, fingerprint: str) -> DatasetFolder:
        """Where a data set is decoded to before its digest is known; one process at a time (hold the lock)."""
        return DatasetFolder(self.cache / "datasets" / f".{fingerprint}.making")

    def source_file(self, fingerprint: str) -> Path:
        return self.cached("sources", fingerprint, ".json")

    @property
    def wandb(self) -> Path:
        """Where wandb keeps what is still to be uploaded: this is the name that it makes itself inside a folder."""
        return self.root / "wandb"

    def downloads(self, kind: str) -> Path:
        return self.cache / "downloads" / kind

    def check_writable(self) -> None:
        """Raise `UserError` where a run could not be written; leaves nothing behind in a store that was there."""
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.runs) as f:
                f.write(b"x" * 4096)
                f.flush()
        except OSError as e:
            raise UserError(
                f"the store at {self.root} cannot be written ({e.strerror}); give another with store=PATH"
            ) from e


def _parsed(data: bytes, file: str | Path, kind: Kind) -> dict[str, Any]:
    """What a JSON file holds, if that is of its kind; raises `CorruptFile`."""
    try:
        value = parse_json(data)
    except ValueError as e:
        raise CorruptFile(f"{file} is not valid JSON ({e})") from e
    return kind.checked(value, file)


def _parsed_lines(data: bytes, file: Path, kind: Kind) -> list[dict[str, Any]]:
    """What the lines of a file hold; raises `CorruptFile` with the number of the first that is not of its kind."""
    rows = []
    whole = data.split(b"\n")[:-1]  # what follows the last line break is torn, or nothing
    for number, line in enumerate(whole, 1):
        try:
            row = parse_json(line)
        except ValueError as e:
            raise CorruptFile(f"{file} line {number} is no row ({e})") from e
        rows.append(kind.checked(row, f"{file} line {number}"))
    return rows
