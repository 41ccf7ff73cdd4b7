"""The few questions that are put to SLURM, each one call of its own tools; every refusal is one sentence.

Nothing else knows these tools, their output or the words of this scheduler.

A tool that does not answer means that nothing is known: callers ask before they write anything.
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

# Reasons for which a job does not wait for its turn: somebody must release it, no job with its resources may start, and
# a partition that may come back.
OBSTACLES = (
    (
        re.compile(r"held", re.I),
        Obstacle(True, "cannot start", "scontrol release {jobs} lets them, once the cause is mended"),
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
            "no job with these resources may; {cancel}, and give the command again with others",
        ),
    ),
    (
        re.compile(r"^Partition(Down|Inactive)", re.I),
        Obstacle(False, "cannot start yet", "their partition is down, and sinfo says which are up"),
    ),
)


def obstacle(state: str, reason: str) -> Obstacle | None:
    """What keeps a task in this state, for this reason, from starting; None where it waits for its turn."""
    if state != "PENDING":
        return None
    return next((found for pattern, found in OBSTACLES if pattern.search(reason)), None)


class Refused(UserError):
    """sbatch would not take a job; `full` where that is because too many are queued, and not what was asked for."""

    def __init__(self, text: str, full: bool) -> None:
        super().__init__(text)
        self.full = full


class Limits(NamedTuple):
    """What a site lets a user submit; None where it does not say."""

    array: int  # tasks of one array
    jobs: int | None  # of all users together, each task of an array one
    submit: int | None  # of this user


class Nodes(NamedTuple):
    """Nodes of one partition that are alike."""

    partition: str
    default: bool  # the partition of jobs that name none
    cores: int  # of each node
    memory: int  # MB
    minutes: int | None  # that a job may take; None: no limit


def _call(*command: str, timeout: float = TIMEOUT_S) -> str:
    """What a tool prints; raises `UserError` where it is not there, does not answer or fails."""
    done = _run(*command, timeout=timeout)
    if done.returncode != 0:
        raise UserError(f"{command[0]} failed: {_last_words(done.stderr)}; nothing was changed")
    return done.stdout


def _run(*command: str, timeout: float = TIMEOUT_S, text: str = "") -> subprocess.CompletedProcess[str]:
    # Without the bit string's limit, the tasks of a long array would be cut to 64 characters.
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
            f"launcher=slurm needs SLURM's {command[0]} on the PATH, and it is not here; "
            "use a login node of the cluster, or launcher=local"
        ) from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UserError(f"{command[0]} did not answer ({e}); try again later") from e


def _last_words(text: str) -> str:
    """What a tool complains of in one line: its last error, or the first line where none is called one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w+: (error|fatal): ", line)]
    chosen = (errors[-1:] or lines[:1] or ["no reason given"])[0]
    return re.sub(r"^\w+: ((error|fatal): )?", "", chosen)


def user() -> str:
    """The name by which SLURM knows this user."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _accounted() -> int | None:
    """The least MaxSubmitJobs of this user's associations; None where there is none, or sacctmgr does not say."""
    if shutil.which("sacctmgr") is None:
        return None
    command = ("sacctmgr", "-nP", "show", "assoc", f"user={user()}", "format=MaxSubmitJobs,GrpSubmitJobs")
    done = _run(*command)
    found = [int(n) for n in re.findall(r"\d+", done.stdout)] if done.returncode == 0 else []
    return min(found, default=None)


def spread(text: str) -> list[int]:
    """The indices that squeue writes as "0-3,7%2"; none for a job that is no array."""
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
    """A time limit as sinfo prints it, "2-00:00:00" or "30:00"; None where there is none."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


class Client:
    """SLURM, as the launcher and its jobs see it. Whoever puts another scheduler here gives these methods.

    Each is one call; `limits`, `submit`, `queue` and `cancel` raise `UserError` where it is not answered.
    """

    def limits(self) -> Limits:
        """What the site allows: one call, and one more where it keeps accounts."""
        for tool in TOOLS:
            if shutil.which(tool) is None:
                _run(tool)  # says that it is missing
        config = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", _call("scontrol", "show", "config"), re.M))
        array = int(config.get("MaxArraySize", "1001"))
        tasks = re.search(r"max_array_tasks=(\d+)", config.get("SchedulerParameters", ""))
        jobs = config.get("MaxJobCount", "")
        accounts = config.get("AccountingStorageType", "none").removeprefix("accounting_storage/")
        return Limits(
            # Indices run from 0 to one less than MaxArraySize.
            array=max(1, min(array, int(tasks[1]) if tasks else array)),
            jobs=int(jobs) if jobs.isdecimal() else None,
            submit=None if accounts in ("none", "(null)", "") else _accounted(),
        )

    def submit(self, script: str) -> str:
        """Hand the text of a script to sbatch; the job's id. Raises `Refused`."""
        done = _run("sbatch", "--parsable", text=script)
        if done.returncode != 0:
            words = _last_words(done.stderr)
            raise Refused(f"sbatch refused: {words}", _is_full(done.stderr))
        return done.stdout.strip().splitlines()[-1].partition(";")[0]

    def queue(self, users: Iterable[str]) -> list[Task]:
        """Every task of an array of these users that is pending or under way, by one call."""
        names = ",".join(sorted({*users, user()}))
        tasks = []
        for line in _call("squeue", "-h", "-u", names, "-o", "%F|%K|%T|%r|%k").splitlines():
            job, indices, state, reason, token = line.split("|", 4)
            hindered = obstacle(state, reason)
            tasks += [Task(job, n, state == "PENDING", token, reason, hindered) for n in spread(indices)]
        return tasks

    def state(self, job: str) -> str | None:
        """The state of one task ("7_3") as the scheduler sees it; None where it does not know or does not answer."""
        try:
            done = _run("squeue", "-h", "-j", job, "-o", "%T", timeout=30)
        except UserError:
            return None
        words = done.stdout.split()
        return words[0] if done.returncode == 0 and words else None

    def cancel(self, jobs: list[str]) -> None:
        """Cancel arrays by one call; those that have ended already are no matter."""
        if jobs:
            _call("scancel", *jobs)

    def requeue(self, job: str) -> bool:
        """Put a task that runs back into the queue. SLURM then ends it, this process and scontrol included."""
        try:
            return _run("scontrol", "requeue", job, timeout=60).returncode in (0, -15)
        except UserError:
            return False

    def nodes(self) -> list[Nodes]:
        """The nodes of the site's partitions, a row for those that are alike; none where sinfo does not say."""
        try:
            done = _run("sinfo", "-h", "-e", "-o", "%P|%c|%m|%l", timeout=30)
        except UserError:
            return []
        found = re.findall(r"^(.+?)(\*?)\|(\d+)\|(\d+)\|(.*)$", done.stdout, re.M) if done.returncode == 0 else []
        return [Nodes(name, bool(star), int(cores), int(mb), _minutes(time)) for name, star, cores, mb, time in found]


CLIENT = Client()
