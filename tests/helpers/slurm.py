"""A real SLURM of one node for tests: munged, slurmctld and slurmd in a folder, on ports of their own, with fake GPUs.

    def test_something(cluster: Cluster) -> None: ...     # the session's; the environment points to it

It needs root and Debian's slurm-wlm and munge; `why_not` says what is missing. Tests that use it carry
`pytestmark = REAL_SLURM`, so that they share one process of pytest-xdist and with it one cluster.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from started import unmarked
from support import wait_for

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")

# cred_expire is also how long a requeued job waits before it starts again: 120 s by default, 5 s at the least.
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
JobRequeue=1
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=30
SchedulerParameters=sched_interval=1,sched_min_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
GresTypes=gpu
MaxArraySize={max_array}
MaxJobCount=20000
NodeName={host} NodeAddr=127.0.0.1 NodeHostname={host} CPUs=4 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=shut Nodes={host} State=DOWN
"""


def why_not() -> str | None:
    """Why no SLURM can be brought up here, or None."""
    if os.geteuid() != 0:
        return "a SLURM of our own needs root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"{', '.join(missing)} not installed (apt install slurm-wlm munge)" if missing else None


REAL_SLURM = [
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


class Cluster:
    """One node of 4 cores (whatever the machine has) and 2 fake GPUs, with the partitions main and shut (takes jobs,
    starts none).

    `environment` makes the tools of SLURM, and what is submitted with them, find it.
    """

    def __init__(self, root: Path, max_array: int = 5) -> None:
        self.root = root
        self.conf = root / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.conf)}
        for folder in (root, root / "state", root / "spool"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        (root / "munge.key").write_bytes(os.urandom(128))
        (root / "munge.key").chmod(0o600)
        host = socket.gethostname().partition(".")[0]
        ctld_port, slurmd_port = _free_ports(2)
        values = {"host": host, "root": root, "ctld_port": ctld_port, "slurmd_port": slurmd_port}
        self.conf.write_text(CONF.format(**values, max_array=max_array))
        # Any device files will do for fake GPUs.
        lines = [f"NodeName={host} Name=gpu File={device}\n" for device in ("/dev/null", "/dev/zero")]
        (root / "gres.conf").write_text("".join(lines))

    def start(self) -> None:
        files = {name: f"{self.root}/munge{end}" for name, end in MUNGE_FILES.items()}
        _run(["munged", "--force", *(f"--{name}={path}" for name, path in files.items())])
        self.start_controller()
        _run(["slurmd", "-f", str(self.conf)])
        wait_for(lambda: "idle" in self.tool("sinfo", "-h", "-p", "main", "-o", "%T"))

    def start_controller(self) -> None:
        _run(["slurmctld", "-f", str(self.conf)])
        wait_for(lambda: "is UP" in self.tool("scontrol", "ping"))

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """slurmctld is down: jobs go on, and no tool gets an answer."""
        _end(self.root / "slurmctld.pid")
        try:
            yield
        finally:
            self.start_controller()

    def stop(self) -> None:
        """End every job and every daemon; no process of the cluster is left."""
        with suppress(subprocess.SubprocessError):
            self.clear()
        for name in ("slurmctld.pid", "slurmd.pid", "munged.pid"):
            _end(self.root / name)

    def clear(self) -> None:
        """Cancel every job and wait until none is left."""
        self.tool("scancel", "--full", "-s", "KILL", "-u", "root")
        self.tool("scancel", "-u", "root")
        wait_for(lambda: self.jobs() == [])

    def tool(self, *command: str) -> str:
        """What one of SLURM's tools prints, whatever its exit code."""
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        return done.stdout

    def jobs(self) -> list[list[str]]:
        """What is in the queue: array job, task, state of each; a pending array's tasks apart."""
        lines = self.tool("squeue", "-h", "-r", "-o", "%F|%K|%T").splitlines()
        return [line.split("|") for line in lines]

    def wait_until_empty(self, seconds: float = 400) -> None:
        wait_for(lambda: self.jobs() == [], seconds)


MUNGE_FILES = {"key-file": ".key", "socket": ".sock", "pid-file": "d.pid", "log-file": "d.log", "seed-file": "d.seed"}


def _run(command: list[str]) -> None:
    nothing, told = subprocess.DEVNULL, subprocess.PIPE
    done = subprocess.run(command, env=unmarked(), stdin=nothing, stdout=nothing, stderr=told)
    assert done.returncode == 0, done.stderr.decode()


def _end(pid_file: Path) -> None:
    """End the daemon of a pid file and wait until it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports
