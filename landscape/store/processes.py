"""Processes told apart: which machine one is on, when it started, what it runs, and whether it is that one still."""

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
    """What the kernel tells of a process from its state on; None where it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process_start(pid: int) -> str | None:
    """When a process started, in the kernel's ticks, which tells a reused pid from the old one; None where it is dead.

    Where there is no /proc, "alive" for any process that lives.
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
    """What makes a pid comparable: host, boot and pid namespace."""

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
    """This process, as files of the store name one."""
    return {**machine(), "pid": os.getpid(), "started": process_start(os.getpid())}


def is_here(one: Mapping[str, Any]) -> bool:
    """Whether a process can be looked up from here: same host, same boot, same pid namespace."""
    return {key: one.get(key) for key in machine()} == machine()


def lives(one: Mapping[str, Any]) -> bool:
    """Whether a process that `is_here` is that one still, and no other of its number."""
    pid, started = one.get("pid"), one.get("started")
    return type(pid) is int and pid > 0 and started is not None and process_start(pid) == started


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped, by SIGSTOP, a terminal or a debugger; False where there is no telling."""
    stat = _stat(pid)
    return stat is not None and stat[0] in "Tt"


def command(pid: int) -> list[str]:
    """The words of the command that a process was started by; none where that cannot be known."""
    try:
        if Path("/proc/self/cmdline").exists():
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        said = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    except OSError:
        return []
    return said.stdout.split()


def folder(pid: int) -> Path | None:
    """The working folder of a process; None where that cannot be known."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def tag(one: Mapping[str, Any]) -> str:
    """A process in few characters, for names of files that it writes."""
    where = "\0".join(str(one.get(key)) for key in ("host", "boot", "pids"))
    return f"{hashlib.sha256(where.encode()).hexdigest()[:12]}-{one.get('pid')}-{one.get('started')}"


def tag_lives(text: str) -> bool | None:
    """Whether the process of a tag lives; None where it cannot be looked up from here."""
    where, pid, started = text.split("-")
    if where != tag(machine()).partition("-")[0]:
        return None
    return process_start(int(pid)) == started
