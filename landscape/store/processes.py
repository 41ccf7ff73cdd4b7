"""Identity of processes: machine, start time, command, and whether one is still alive."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on; None if the process does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process_start(pid: int) -> str | None:
    """Start time of a process in kernel ticks, which detects reused pids; None if it does not exist.

    Without /proc: "alive" for any existing process.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "alive"
    stat = _stat(pid)
    return None if stat is None or stat[0] in "ZX" else stat[19]


@cache
def machine() -> dict[str, Any]:
    """Host, boot and pid namespace: pids are comparable within these."""

    def read(path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except OSError:
            return "unknown"

    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = "unknown"
    return {"host": socket.gethostname(), "boot": read("/proc/sys/kernel/random/boot_id"), "pids": namespace}


def myself() -> dict[str, Any]:
    """This process, as files of the store identify one."""
    return {**machine(), "pid": os.getpid(), "started": process_start(os.getpid())}


def is_here(one: Mapping[str, Any]) -> bool:
    """Whether a process is local: same host, boot and pid namespace."""
    return {key: one.get(key) for key in machine()} == machine()


def lives(one: Mapping[str, Any]) -> bool:
    """Whether a local process is still alive, and its pid not reused."""
    pid, started = one.get("pid"), one.get("started")
    return type(pid) is int and pid > 0 and started is not None and process_start(pid) == started


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped (SIGSTOP, terminal, debugger); False if unknown."""
    stat = _stat(pid)
    return stat is not None and stat[0] in "Tt"


def command(pid: int) -> list[str]:
    """The command line of a process; empty if unknown."""
    try:
        if Path("/proc/self/cmdline").exists():
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        said = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    except OSError:
        return []
    return said.stdout.split()


def folder(pid: int) -> Path | None:
    """The working folder of a process; None if unknown."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def tag(one: Mapping[str, Any]) -> str:
    """A short identifier of a process, for file names."""
    where = "\0".join(str(one.get(key)) for key in ("host", "boot", "pids"))
    return f"{hashlib.sha256(where.encode()).hexdigest()[:12]}-{one.get('pid')}-{one.get('started')}"


def tag_lives(text: str) -> bool | None:
    """Whether the process of a tag is alive; None if it is not local."""
    where, pid, started = text.split("-")
    if where != tag(machine()).partition("-")[0]:
        return None
    return process_start(int(pid)) == started
