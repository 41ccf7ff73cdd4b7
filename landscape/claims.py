"""Who works on a run: numbered claim files, the highest number in force.

A claim is taken by creating the next number exclusively, so that of several takers one wins and a late one
cannot undo a newer claim (renaming or deleting a stale lock can). An owner asks before each row and
checkpoint whether its number is still the highest, and stops if not.

Whether a claim is lost is judged without comparing clocks: on the same boot of a machine by its process, elsewhere by
a heartbeat counter that has not moved for a while on the observer's own clock.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from landscape.files import CorruptFile, create_exclusively, write_whole
from landscape.store import RunFolder

_CLAIM = re.compile(r"[0-9]{1,15}\.json")  # "1 (conflicted copy).json" of a folder that syncs is none
MOST_AT_ONCE = 10**6  # by which the number of a claim is past the one before
LOST_AFTER_S = 120.0  # of no movement, for a claim of another machine; a heart beats every few seconds


class ClaimLost(Exception):
    """Somebody else has taken the run over; its owner must stop without writing another byte."""


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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


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


def _numbers(run: RunFolder) -> list[int]:
    try:
        names = os.listdir(run.claims)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = sorted({int(name.removesuffix(".json")) for name in names if _CLAIM.fullmatch(name)})
    while found and found[-1] - ([0, *found])[-2] > MOST_AT_ONCE:  # forged: the next would be past all bounds
        found.pop()
    return found


def newest_claim(run: RunFolder) -> tuple[int, dict[str, Any] | None]:
    """The highest number, 0 where there is none, and its claim, or None where the run is free.

    A claim file that does not read counts as in force.
    """
    number = (_numbers(run) or [0])[-1]
    if number == 0:
        return 0, None
    try:
        claim = run.claim(number)
    except CorruptFile:
        claim = {"host": "?", "pid": 0}
    claim["number"] = number
    return number, None if claim.get("released") else claim


def claim_in_force(run: RunFolder) -> dict[str, Any] | None:
    """The claim of whoever works on a run (or died over it); None where it is free."""
    return newest_claim(run)[1]


def is_here(claim: dict[str, Any]) -> bool:
    """Whether a claim's process can be looked up from here: same host, same boot, same pid namespace."""
    return {key: claim.get(key) for key in machine()} == machine()


@dataclass
class Observer:
    """Judges claims of others; keeps what it saw, so that one lives as long as the judging goes on."""

    lost_after_s: float = LOST_AFTER_S
    seen: dict[str, tuple[Any, float]] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)

    def is_lost(self, run: RunFolder, claim: dict[str, Any]) -> bool:
        """Whether the worker behind `claim` is gone.

        Another boot of a host of the same name may be another machine on a shared disk: its heart is watched.
        """
        if is_here(claim):
            return process_start(claim["pid"]) != claim["started"]
        try:
            beat = run.status().get("beat")
        except (CorruptFile, FileNotFoundError):
            beat = None
        mark = (claim["number"], beat)
        before, since = self.seen.get(run.id, (None, 0.0))
        now = time.monotonic()
        if mark != before:
            self.seen[run.id] = (mark, now)
            if before is not None:
                self.moved.add(run.id)
            return False
        return now - since > self.lost_after_s

    def saw_life(self, run: RunFolder, claim: dict[str, Any]) -> bool:
        """Whether the worker behind a claim that `is_lost` denied is known to live: here, or its heart has moved."""
        return is_here(claim) or run.id in self.moved


class Claim:
    """A claim that this process holds."""

    def __init__(self, run: RunFolder, number: int, content: dict[str, Any]) -> None:
        self.run, self.number, self.content = run, number, content

    def check(self) -> None:
        """Raise `ClaimLost` if a newer claim exists."""
        if _numbers(self.run)[-1:] != [self.number]:
            raise ClaimLost(f"run {self.run.id} was taken over by another worker")

    def release(self) -> None:
        """Leave the run free for whoever comes next."""
        path = self.run.claims / f"{self.number}.json"
        write_whole(path, json.dumps({**self.content, "released": True}) + "\n")


def take(run: RunFolder, observer: Observer) -> Claim | None:
    """Claim a run that is free or whose claim is lost; None where somebody lives on it or was faster."""
    newest, current = newest_claim(run)
    if current is not None and not observer.is_lost(run, current):
        return None
    number = newest + 1  # the very next: a claim that was taken meanwhile has it, and this one fails
    pid = os.getpid()
    content = {"token": uuid.uuid4().hex, **machine(), "pid": pid, "started": process_start(pid)}
    run.claims.mkdir(exist_ok=True)
    if not create_exclusively(run.claims / f"{number}.json", json.dumps(content) + "\n"):
        return None
    return Claim(run, number, content)
