"""Mirror of a run to an experiment tracker (`logger=wandb`), by a separate process that reads the run's folder.

    python -m landscape.tracking.process --store DIR --logger '{"kind": "wandb", ...}' RUN ...  # finished runs

The worker signals the end by closing the process's standard input, then waits for it for a limited time. If the process
fails, the worker warns once and continues. What was mirrored is recorded in the run's folder, so that a resumed run
continues and a later call adds what is missing. No torch.
"""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from landscape.config.cli import Parser, default, run_cli
from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.registry import lookup
from landscape.config.subprocess_env import subprocess_env
from landscape.scores import COLUMNS
from landscape.store import RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.metrics_row import MetricsRow
from landscape.tracking.wandb import LOGGERS, Event

logger = logging.getLogger(__name__)

POLL_S = 1.0
FINISH_WAIT_S = 60.0  # wait for the process after a finished run
STOP_WAIT_S = 10.0  # wait if the worker was asked to stop


@contextmanager
def mirrored(
    store: Store, run: RunFolder, logger: dict[str, Any], warn: Callable[[str], None], hurried: Callable[[], bool]
) -> Iterator[Callable[[], None]]:
    """Mirror a run while a worker trains it. Yields a function that warns once if the mirror has failed.

    `hurried` tells whether the worker was asked to stop. Failures of the mirror are never raised.
    """
    if logger["kind"] == "none":
        yield lambda: None
        return
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as reason:
        process = _start(store, run, logger, output, reason, warn)
        told = process is None

        def check() -> None:
            nonlocal told
            if not told and process is not None and process.poll() not in (None, 0):
                told = True
                warn(f"{logger['kind']}: {_why(output, reason, process.returncode)}; the run goes on without it")

        try:
            yield check
        finally:
            if process is not None:
                assert process.stdin is not None
                with suppress(OSError):
                    process.stdin.close()
                try:
                    process.wait(STOP_WAIT_S if hurried() else FINISH_WAIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    told = True
                    again = "python -m landscape.tracking.process uploads what is missing"
                    warn(f"{logger['kind']} did not end in time; {again}")
                check()


def _start(
    store: Store,
    run: RunFolder,
    logger: dict[str, Any],
    output: IO[bytes],
    reason: IO[bytes],
    warn: Callable[[str], None],
) -> subprocess.Popen[bytes] | None:
    command = [sys.executable, "-m", "landscape.tracking.process", "--follow", "--store", str(store.root)]
    command += ["--reason", str(reason.fileno())]
    try:
        return subprocess.Popen(
            [*command, "--logger", json.dumps(logger), run.id],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[reason.fileno()],
            env=subprocess_env(),
            start_new_session=True,
        )
    except OSError as e:
        warn(f"{logger['kind']} could not be started ({e}); the run goes on without it")
        return None


def _why(output: IO[bytes], reason: IO[bytes], code: int) -> str:
    """Why the process ended: the reason that it reported, else its last line of output."""
    for file in (reason, output):
        file.seek(0)
        lines = file.read().decode(errors="replace").split("\n")
        if words := [line.strip() for line in lines if line.strip()]:
            return words[-1][:300]
    return f"exit code {code}"


def events(run: RunFolder, wait: Callable[[], bool]) -> Iterator[Event]:
    """Yields what is not mirrored yet, then new rows and samples, until `wait` returns False after a pause.

    An event counts as mirrored when the next one is requested. Raises `CorruptFile`.
    """
    try:
        known = run.mirrored()
    except FileNotFoundError:
        known = {"rows": {}, "samples": -1}
    scored = bool(run.config()["metrics"]["scores"])
    over = False
    while True:
        over = over or not wait()
        rows = run.rows()
        own = rows[0].protocol if rows else None
        new = [row for row in rows if row.step > known["rows"].get(row.protocol, -1)]
        steps = {row.step for row in new}
        for step, picture in _pictures(run):
            # Samples wait for the scores of their step.
            if step > known["samples"] and step not in steps and (over or not scored):
                yield Event(step, {}, picture)
                known["samples"] = step
        for row in new:
            step, protocol = row.step, row.protocol
            picture = run.sample_grid(step)
            shown = picture if step > known["samples"] and picture.exists() else None
            yield Event(step, _values(run, row, protocol == own), shown, late=protocol != own)
            known["rows"][protocol] = step
            known["samples"] = max(step, known["samples"])
        if new or over:
            write_whole(run.mirror_file, to_json(known), durable=False)
        if over:
            return


def _pictures(run: RunFolder) -> list[tuple[int, Path]]:
    return sorted((int(file.stem), file) for file in run.samples.glob("[0-9]*.png"))


def _values(run: RunFolder, row: MetricsRow, own: bool) -> dict[str, float]:
    """The finite numbers of a row. Keys get the extractor as suffix unless it is Inception, and the protocol as prefix
    unless it is the run's own."""
    extractor = run.protocol(row.protocol).extractor
    end = "" if extractor == "inception" else f"_{extractor}"
    start = "" if own else f"{row.protocol[:8]}/"
    return {
        start + key + end * (key in COLUMNS and COLUMNS[key].on_features): value
        for key, value in row.to_json().items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 1 if a tracker failed, 2 for invalid usage."""
    return run_cli(lambda: mirror(sys.argv[1:] if argv is None else argv), interrupted="")


def mirror(argv: list[str]) -> int:
    """Mirror the runs on the command line. Returns the exit code."""
    parser = Parser("python -m landscape.tracking.process", __doc__ or "")
    parser.add_argument("--store", default=default("store"))
    parser.add_argument("--logger", type=json.loads, help="JSON of the logger's keys (default: the run's own)")
    parser.add_argument("--follow", action="store_true", help="mirror until standard input is closed")
    parser.add_argument("--reason", type=int, help="file descriptor for the reason of a failure")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    arguments = parser.parse(argv)
    store, failed = Store(arguments.store), ExitCode.DONE

    def tell(why: str) -> None:
        if arguments.reason is None:
            logger.error(f"mirror failed: {why}")
        else:
            os.write(arguments.reason, why.encode(errors="replace"))

    if arguments.follow:
        os.nice(10)
    for run in map(store.run, arguments.runs):
        try:
            if not run.exists():
                raise UserError(f"no run {run.id} in {store.root}; give another store with --store FOLDER")
            logger = arguments.logger or run.config()["logger"]
            send = lookup("logger", logger["kind"], LOGGERS)
            stream = events(run, _stdin_is_open if arguments.follow else lambda: False)
            first = next(stream, None)
            if first is not None:  # skip starting the tracker if there is nothing to send
                send(store, run, logger, chain([first], stream))
        except (UserError, CorruptFile) as e:
            tell(str(e))
            failed = ExitCode.USER
        except BaseException as e:  # the tracker may fail in any way
            words = str(e).strip().splitlines()
            tell(f"{type(e).__name__}: {words[0] if words else ''}")
            os._exit(ExitCode.UNFINISHED)  # the tracker's clean-up may hang
    return failed


def _stdin_is_open() -> bool:
    """Wait for `POLL_S`, or until standard input is closed."""
    ready, _, _ = select.select([sys.stdin], [], [], POLL_S)
    return not ready


if __name__ == "__main__":
    sys.exit(main())
