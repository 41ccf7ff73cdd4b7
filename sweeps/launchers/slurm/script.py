"""The batch script of an array: its resources, and one line that starts `sweeps.launchers.slurm.job`.

What to run stands in the store, and whether a job is queued again is decided in `sweeps.launchers.slurm.job`.
"""

from __future__ import annotations

import shlex
import sys

from landscape.config.errors import UserError
from landscape.config.subprocess_env import code_root
from landscape.store import Store, SweepFolder
from sweeps.launchers.slurm.resources import Resources


def script(store: Store, folder: SweepFolder, token: str, tasks: int, resources: Resources) -> str:
    """The text for sbatch of an array of `tasks` tasks; the log folder is made, for a job without one dies silently."""
    if "\n" in str(store.root):
        raise UserError("launcher=slurm takes no store on a path with a line break")
    folder.logs.mkdir(parents=True, exist_ok=True)
    options = {
        "job-name": folder.name,
        "partition": resources.partition,
        "account": resources.account,
        "qos": resources.qos,
        "time": resources.time,
        "mem": None if resources.memory is None else f"{resources.memory * 1024:.0f}M",
        "cpus-per-task": resources.cores,
        "gpus-per-node": resources.gpus or None,
        "constraint": resources.constraint,
        "comment": token,
        "nodes": 1,
        "open-mode": "append",
    }
    options |= {option.removeprefix("--").partition("=")[0]: option.partition("=")[2] for option in resources.extra}
    options |= {
        "array": f"0-{tasks - 1}" + (f"%{resources.parallel}" if resources.parallel else ""),
        "output": str(folder.logs).replace("%", "%%") + "/%A_%a.log",
        "requeue": "",
        "signal": f"B:USR2@{resources.notice_s}",  # to the job's own process, which asks its workers to save
    }
    flags = {name: f"={shlex.quote(str(value))}" if value != "" else "" for name, value in options.items()}
    where = ["--store", str(store.root), "--sweep", folder.name, "--submission", token]
    lines = ["#!/bin/bash", *(f"#SBATCH --{name}{flags[name]}" for name in options if options[name] is not None)]
    lines += [*resources.setup, f"export PYTHONPATH={shlex.quote(code_root())}${{PYTHONPATH:+:$PYTHONPATH}}"]
    # In the shell's place, so that the scheduler's signals meet Python. No srun: from SLURM 22.05 on a step does not
    # inherit the job's cores.
    lines.append(f"exec {shlex.join([sys.executable, '-m', 'sweeps.launchers.slurm.job', *where])}")
    return "\n".join([*lines, ""])
