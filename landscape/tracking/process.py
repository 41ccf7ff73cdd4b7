"""A run mirrored elsewhere, by a process beside its worker that reads the run's folder: `logger=wandb`. No torch.

    python -m landscape.tracking.process --store DIR --logger '{"kind": "wandb", ...}' RUN ...  # of runs that are over

The folder stays the truth. The worker tells the process nothing but the end, by closing its standard input, and waits
for it only then and not for long; if it fails, the worker says so once and goes on. What was mirrored stands in the
run's folder, so that the mirror of a resumed run goes on where it stopped, and a later call adds what is missing.
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
PATIENCE_S = 60.0  # with the mirror of a run that is over
HASTE_S = 10.0  # where the worker was asked to stop


@contextmanager
def mirrored(
    store: Store, run: RunFolder, logger: dict[str, Any], warn: Callable[[str], None], hurried: Callable[[], bool]
) -> Iterator[Callable[[], None]]:
    """While a worker is at a run, mirror it as `logger` says. Yields a function that warns if that has failed.

    Raises nothing for what the mirror does.
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
                    process.wait(HASTE_S if hurried() else PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    told = True
                    again = "python -m landscape.tracking.process adds what is missing"
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
    """Why the process of a mirror ended: the reason that it gave, else the last of what it printed."""
    for file in (reason, output):
        file.seek(0)
        lines = file.read().decode(errors="replace").split("\n")
        if words := [line.strip() for line in lines if line.strip()]:
            return words[-1][:300]
    return f"it ended with exit code {code}"


def events(run: RunFolder, wait: Callable[[], bool]) -> Iterator[Event]:
    """What of a run is not mirrored yet, then what is added, until `wait` (which takes a while) says that it is over.

    An event counts as mirrored once the next is asked for. Raises `CorruptFile`.
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
            # Scores follow their samples, which wait for them.
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
    """The finite numbers of a row: with the extractor where it is not Inception, the protocol where not the first."""
    extractor = run.protocol(row.protocol).extractor
    end = "" if extractor == "inception" else f"_{extractor}"
    start = "" if own else f"{row.protocol[:8]}/"
    return {
        start + key + end * (key in COLUMNS and COLUMNS[key].on_features): value
        for key, value in row.to_json().items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 where a mirror failed."""
    return run_cli(lambda: mirror(sys.argv[1:] if argv is None else argv), interrupted="")


def mirror(argv: list[str]) -> int:
    """Mirror the runs that a command line names; returns the exit code."""
    parser = Parser("python -m landscape.tracking.process", __doc__ or "")
    parser.add_argument("--store", default=default("store"))
    parser.add_argument(
        "--logger", type=json.loads, help="JSON with kind and its keys; as frozen with the run if left out"
    )
    parser.add_argument("--follow", action="store_true", help="until standard input ends")
    parser.add_argument("--reason", type=int, help="number of an open file for why it failed")
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
            if first is not None:  # else there is nothing to start a third party's program for
                send(store, run, logger, chain([first], stream))
        except (UserError, CorruptFile) as e:
            tell(str(e))
            failed = ExitCode.USER
        except BaseException as e:  # whatever a third party's program comes to
            words = str(e).strip().splitlines()
            tell(f"{type(e).__name__}: {words[0] if words else ''}")
            os._exit(ExitCode.UNFINISHED)  # its own clean-up may hang
    return failed


def _stdin_is_open() -> bool:
    """After a moment, or as soon as standard input has ended."""
    ready, _, _ = select.select([sys.stdin], [], [], POLL_S)
    return not ready


if __name__ == "__main__":
    sys.exit(main())
