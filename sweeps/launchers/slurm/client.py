"""The only module that calls SLURM's tools and parses their output. Every error is one sentence.

Callers query SLURM before they write anything, so nothing is changed if a tool does not answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from landscape.config.errors import UserError
from sweeps.monitor import Obstacle, Task

TIMEOUT_S = 150.0
TOOLS = ("sbatch", "squeue", "scontrol", "scancel")

# Why a job cannot start, other than its turn: it is held, no job with its resources may run, its partition is down.
OBSTACLES = (
    (
        re.compile(r"held", re.I),
        Obstacle(True, "cannot start", "once the cause is fixed: scontrol release {jobs}"),
    ),
    (
        re.compile(
            r"^PartitionConfig|^Partition(Node|Time)Limit|^BadConstraints|^Invalid|NotAllowed|"
            r"^DependencyNeverSatisfied|PerJob",
            re.I,
        ),
        Obstacle(
            True,
            "cannot start",
            "no job with these resources may: {cancel}, and run the command again with others",
        ),
    ),
    (
        re.compile(r"^Partition(Down|Inactive)", re.I),
        Obstacle(False, "cannot start yet", "their partition is down (sinfo lists those that are up)"),
    ),
)


def obstacle(state: str, reason: str) -> Obstacle | None:
    """Why a task with this state and reason cannot start; None if it waits for its turn or runs."""
    if state != "PENDING":
        return None
    return next((found for pattern, found in OBSTACLES if pattern.search(reason)), None)


class Refused(UserError):
    """sbatch refused a job; `full` if too many jobs are queued, rather than because of what was requested."""

    def __init__(self, text: str, full: bool) -> None:
        super().__init__(text)
        self.full = full


class Limits(NamedTuple):
    """How much a site lets a user submit; None if it does not say."""

    array: int  # tasks per array
    jobs: int | None  # queued jobs of all users; each array task counts
    submit: int | None  # queued jobs of this user


class Nodes(NamedTuple):
    """Equal nodes of one partition."""

    partition: str
    default: bool  # whether it is the default partition
    cores: int  # per node
    memory: int  # MB per node
    minutes: int | None  # time limit of a job; None: no limit


def _call(*command: str, timeout: float = TIMEOUT_S) -> str:
    """The output of a tool; raises `UserError` if it is missing, fails or does not answer."""
    done = _run(*command, timeout=timeout)
    if done.returncode != 0:
        raise UserError(f"{command[0]} failed: {_error_line(done.stderr)}; nothing was changed")
    return done.stdout


def _run(*command: str, timeout: float = TIMEOUT_S, text: str = "") -> subprocess.CompletedProcess[str]:
    # The default would truncate the task list of a long array to 64 characters.
    environment = {**os.environ, "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "standard"}
    try:
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=text,
        )
    except FileNotFoundError as e:
        raise UserError(
            f"launcher=slurm needs SLURM's {command[0]}, which is not on the PATH; "
            "use a login node of the cluster, or launcher=local"
        ) from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UserError(f"{command[0]} did not answer ({e}); try again later") from e


def _error_line(text: str) -> str:
    """A tool's error message in one line: its last line marked as an error, else its first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w+: (error|fatal): ", line)]
    chosen = (errors[-1:] or lines[:1] or ["no reason given"])[0]
    return re.sub(r"^\w+: ((error|fatal): )?", "", chosen)


def user() -> str:
    """This user's name in SLURM."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _user_submit_limit() -> int | None:
    """The lowest MaxSubmitJobs of this user's associations; None if there is none, or sacctmgr is not available."""
    if shutil.which("sacctmgr") is None:
        return None
    command = ("sacctmgr", "-nP", "show", "assoc", f"user={user()}", "format=MaxSubmitJobs,GrpSubmitJobs")
    done = _run(*command)
    found = [int(n) for n in re.findall(r"\d+", done.stdout)] if done.returncode == 0 else []
    return min(found, default=None)


def expand_indices(text: str) -> list[int]:
    """The indices that squeue writes as "0-3,7%2"; none for a job that is not an array."""
    found: list[int] = []
    for part in text.partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            step_last, _, step = last.partition(":")
            found += range(int(first), int(step_last or first) + 1, int(step or 1))
    return found


def _is_full(words: str) -> bool:
    signs = ("SubmitJob", "submit limit", "size limit", "job limit", "temporarily unable to accept", "MaxSubmit")
    return any(sign.lower() in words.lower() for sign in signs)


def _minutes(text: str) -> int | None:
    """Minutes of a time limit as sinfo prints it, "2-00:00:00" or "30:00"; None if there is none."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


class Client:
    """The interface to SLURM. A client of another scheduler has these methods.

    `limits`, `submit`, `queue` and `cancel` raise `UserError` if SLURM does not answer.
    """

    def limits(self) -> Limits:
        """The site's limits: one call of scontrol, and one of sacctmgr if it has accounting."""
        for tool in TOOLS:
            if shutil.which(tool) is None:
                _run(tool)  # raises: it is missing
        config = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", _call("scontrol", "show", "config"), re.M))
        array = int(config.get("MaxArraySize", "1001"))
        tasks = re.search(r"max_array_tasks=(\d+)", config.get("SchedulerParameters", ""))
        jobs = config.get("MaxJobCount", "")
        accounts = config.get("AccountingStorageType", "none").removeprefix("accounting_storage/")
        return Limits(
            # Indices run from 0 to one less than MaxArraySize.
            array=max(1, min(array, int(tasks[1]) if tasks else array)),
            jobs=int(jobs) if jobs.isdecimal() else None,
            submit=None if accounts in ("none", "(null)", "") else _user_submit_limit(),
        )

    def submit(self, script: str) -> str:
        """Submit the text of a batch script; returns the job id. Raises `Refused`."""
        done = _run("sbatch", "--parsable", text=script)
        if done.returncode != 0:
            words = _error_line(done.stderr)
            raise Refused(f"sbatch refused: {words}", _is_full(done.stderr))
        return done.stdout.strip().splitlines()[-1].partition(";")[0]

    def queue(self, users: Iterable[str]) -> list[Task]:
        """The pending and running array tasks of these users and of this one, by one call."""
        names = ",".join(sorted({*users, user()}))
        tasks = []
        for line in _call("squeue", "-h", "-u", names, "-o", "%F|%K|%T|%r|%k").splitlines():
            job, indices, state, reason, token = line.split("|", 4)
            hindered = obstacle(state, reason)
            tasks += [Task(job, n, state == "PENDING", token, reason, hindered) for n in expand_indices(indices)]
        return tasks

    def state(self, job: str) -> str | None:
        """The state of one task ("7_3") in SLURM; None if it is unknown or SLURM does not answer."""
        try:
            done = _run("squeue", "-h", "-j", job, "-o", "%T", timeout=30)
        except UserError:
            return None
        words = done.stdout.split()
        return words[0] if done.returncode == 0 and words else None

    def cancel(self, jobs: list[str]) -> None:
        """Cancel arrays by one call; those that have ended are ignored."""
        if jobs:
            _call("scancel", *jobs)

    def requeue(self, job: str) -> bool:
        """Requeue a running task; whether SLURM agreed. SLURM then kills it, including this process and scontrol."""
        try:
            return _run("scontrol", "requeue", job, timeout=60).returncode in (0, -15)
        except UserError:
            return False

    def nodes(self) -> list[Nodes]:
        """The nodes of the site, one row per group of equal ones; none if sinfo does not answer."""
        try:
            done = _run("sinfo", "-h", "-e", "-o", "%P|%c|%m|%l", timeout=30)
        except UserError:
            return []
        found = re.findall(r"^(.+?)(\*?)\|(\d+)\|(\d+)\|(.*)$", done.stdout, re.M) if done.returncode == 0 else []
        return [Nodes(name, bool(star), int(cores), int(mb), _minutes(time)) for name, star, cores, mb, time in found]


CLIENT = Client()
