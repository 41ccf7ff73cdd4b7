"""The batch script of a job array, built by submitit: its resources, and one line that starts
`sweeps.launchers.slurm.job`.

Only submitit's script text is used, not its way of running (a pickle and a result file per task, and a rule that takes
a preemption after 80 % of a job's time for a timeout and does not requeue it).
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from landscape.config.errors import UserError
from landscape.config.subprocess_env import code_root
from landscape.store import Store, SweepFolder
from landscape.store.jobs import Resources


def script(
    store: Store, folder: SweepFolder, token: str, tasks: int, resources: Resources, after: Sequence[str] = ()
) -> str:
    """The script of an array of `tasks` tasks, which start once the jobs `after` have passed.

    Makes the log folder, without which SLURM fails a job silently. Raises `UserError` for a store whose path SLURM
    cannot take.
    """
    if "\n" in str(store.root):
        raise UserError("launcher=slurm needs a store whose path has no line break")
    from submitit.slurm.slurm import SlurmExecutor  # slow to import

    folder.logs.mkdir(parents=True, exist_ok=True)
    executor = SlurmExecutor(folder.logs)
    given = {
        "job_name": folder.name,
        "partition": resources.partition,
        "account": resources.account,
        "qos": resources.qos,
        "time": resources.time,
        "mem": None if resources.memory is None else f"{resources.memory * 1024:.0f}M",
        "cpus_per_task": resources.cores,
        "gpus_per_node": resources.gpus or None,
        "constraint": resources.constraint,
        "comment": token,
        "stderr_to_stdout": True,
        "use_srun": False,  # a step of SLURM 22.05 and later does not inherit the job's cores
        "setup": [*resources.setup, f"export PYTHONPATH={shlex.quote(code_root())}${{PYTHONPATH:+:$PYTHONPATH}}"],
    }
    more = {option.removeprefix("--").partition("=")[0]: option.partition("=")[2] or True for option in resources.extra}
    more |= {
        "array": f"0-{tasks - 1}" + (f"%{resources.parallel}" if resources.parallel else ""),
        "output": str(folder.logs).replace("%", "%%") + "/%A_%a.log",
        "requeue": True,
        "signal": f"B:USR2@{resources.notice_s}",  # to the job process only, which asks its workers to save
    }
    if after:
        passed = f"afterok:{':'.join(after)}"
        more["dependency"] = f"{more['dependency']},{passed}" if "dependency" in more else passed
        more["kill-on-invalid-dep"] = "yes"
    executor.update_parameters(
        **{key: value for key, value in given.items() if value is not None},
        wckey=None,  # submitit sets one, which a site may not know
        additional_parameters=more,
    )
    body = ["--store", str(store.root), "--sweep", folder.name, "--submission", token]
    command = shlex.join([sys.executable, "-m", "sweeps.launchers.slurm.job", *body])
    # exec: the scheduler's signals must reach Python, not the shell.
    return str(executor._make_submission_file_text(f"exec {command}", token))
