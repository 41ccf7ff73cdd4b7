"""Starts the workers of a pool: forked from a server that has imported torch, or as new Python processes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from landscape.config.subprocess_env import subprocess_env
from landscape.store.processes import process_start

START_S = 180.0  # for a server to import torch, on a busy disk
EXIT_UNKNOWN = 256  # instead of an exit code: the worker has ended, and its server had ended before


class Process(Protocol):
    """A worker process."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """None while it is alive, then its exit code as of `subprocess`, or `EXIT_UNKNOWN`."""


class ServerDied(Exception):
    """A fork server has ended or does not answer; the text is the end of its standard error."""


class Server:
    """A process of `landscape.runtime.forkserver` in one environment."""

    def __init__(self, environment: dict[str, str], store: Path) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "landscape.runtime.forkserver", "--store", str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            start_new_session=True,
        )
        self.text = b""
        self.pids: dict[int, int] = {}
        self.codes: dict[int, int] = {}
        self.next = 0
        self.alive = True

    def start(self, arguments: list[str], environment: dict[str, str], log: Path) -> Forked:
        """Fork a worker and wait for its pid. Raises `ServerDied`."""
        job, self.next = self.next, self.next + 1
        request = {"id": job, "arguments": arguments, "environment": environment, "log": str(log)}
        assert self.process.stdin is not None
        deadline = time.monotonic() + START_S
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            self.alive = False
        while job not in self.pids:
            self.listen(1.0)
            if not self.alive or time.monotonic() > deadline:
                raise ServerDied(self.stderr_tail() or "no answer")
        return Forked(self, job, self.pids.pop(job))

    def listen(self, wait_s: float = 0.0) -> None:
        """Read the server's messages, waiting up to `wait_s` for the first."""
        assert self.process.stdout is not None
        while self.alive and select.select([self.process.stdout], [], [], wait_s)[0]:
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            self.alive = bool(read)
            *lines, self.text = (self.text + read).split(b"\n")
            for line in lines:
                said: dict[str, Any] = json.loads(line)
                for key, known in (("pid", self.pids), ("code", self.codes)):
                    if key in said:
                        known[said["id"]] = said[key]
            wait_s = 0.0

    def stderr_tail(self) -> str:
        """The last line of its standard error."""
        self.errors.seek(0)
        return "".join(self.errors.read().decode(errors="replace").splitlines()[-1:])

    def end(self) -> None:
        """End the server, by force after 5 s; its workers continue."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.alive = False
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Forked:
    """A forked worker."""

    def __init__(self, server: Server, job: int, pid: int) -> None:
        self.server, self.job, self.pid = server, job, pid
        self.started = process_start(pid)

    def poll(self) -> int | None:
        """As of `Process`."""
        self.server.listen()
        if self.job in self.server.codes:
            return self.server.codes[self.job]
        if self.server.alive or (self.started is not None and process_start(self.pid) == self.started):
            return None
        return EXIT_UNKNOWN


class ProcessStarter:
    """Starts workers: forked from one server per number of threads if `warm` (Linux only), else as new processes."""

    def __init__(self, store: Path, warm: bool, tell: Callable[[str], None]) -> None:
        self.store, self.warm, self.tell = store, warm and sys.platform == "linux", tell
        self.servers: dict[str, Server] = {}
        self.old: list[Server] = []

    def start(self, arguments: list[str], own: dict[str, str], log: Path) -> Process:
        """Start a worker with these arguments; `own` is added to the environment, output is appended to `log`."""
        environment = subprocess_env(own)
        with open(log, "ab") as file:
            if self.warm:
                try:
                    return self.server(environment).start(arguments, environment, log)
                except (OSError, ServerDied) as e:
                    self.warm = False
                    self.tell(f"workers cannot be forked ({e}): they are started as new processes from now on")
            return subprocess.Popen(
                [sys.executable, "-m", "landscape.runtime.worker", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def server(self, environment: dict[str, str]) -> Server:
        """A live server whose libraries were imported with the same number of threads."""
        threads = environment.get("OMP_NUM_THREADS", "")
        known = self.servers.get(threads)
        if known is not None:
            known.listen()
            if known.alive:
                return known
            self.old.append(known)  # it may still have workers
            self.tell("the fork server has ended; starting another")
        self.servers[threads] = Server(environment, self.store)
        return self.servers[threads]

    def end(self) -> None:
        """End all servers; their workers continue."""
        for server in (*self.servers.values(), *self.old):
            server.end()


@contextmanager
def starter(store: Path, warm: bool, tell: Callable[[str], None]) -> Iterator[ProcessStarter]:
    """A `ProcessStarter` whose servers end with the block; live workers continue."""
    made = ProcessStarter(store, warm, tell)
    try:
        yield made
    finally:
        made.end()
