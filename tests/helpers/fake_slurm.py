"""A SLURM made of files, for the launcher's policy where no real one can be brought up.

sbatch, squeue, scontrol, scancel and sinfo on the PATH keep their queue in a folder and start nothing by themselves.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOL = """#!{python} -IS
import fcntl, json, re, sys
from pathlib import Path

home = Path({home!r})
lock = open(home / "lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends: jobs ask while a test submits
site = json.loads((home / "site.json").read_text())
queue = json.loads((home / "queue.json").read_text())
tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
with open(home / "calls", "a") as f:
    f.write(" ".join([tool, *arguments]) + "\\n")
if site["down"]:
    sys.exit(f"{{tool}}: error: Unable to contact slurm controller (connect failure)")
if tool == "scontrol" and arguments[0] == "show":
    print(f"MaxArraySize            = {{site['max_array']}}\\nMaxJobCount             = {{site['max_jobs']}}")
    print("AccountingStorageType   = accounting_storage/none\\nSchedulerParameters     = (null)")
elif tool == "sbatch":
    script = sys.stdin.read()
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", script, re.M))
    first, last = map(int, options["array"].partition("%")[0].split("-"))
    if options.get("partition") not in (None, "main"):
        sys.exit("sbatch: error: Batch job submission failed: Invalid partition name specified")
    if sum(len(job["tasks"]) for job in queue.values()) + last + 1 > (site["hidden_limit"] or 10**9):
        sys.exit("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)")
    if last >= site["max_array"]:
        sys.exit("sbatch: error: Batch job submission failed: Invalid job array specification")
    number = site["next"]
    site["next"] += 1
    (home / "site.json").write_text(json.dumps(site))
    queue[str(number)] = {{"tasks": list(range(first, last + 1)), "state": "PENDING", "token": options["comment"]}}
    (home / f"{{number}}.sh").write_text(script)
    print(number)
elif tool == "squeue" and "-j" in arguments:
    job, _, task = arguments[arguments.index("-j") + 1].partition("_")
    if job in queue and int(task) in queue[job]["tasks"]:
        print(queue[job]["state"])
elif tool == "squeue":
    for number, job in queue.items():
        if job["tasks"]:
            tasks = ",".join(map(str, job["tasks"]))
            print(f"{{number}}|{{tasks}}%2|{{job['state']}}|{{job.get('reason', 'None')}}|{{job['token']}}")
elif tool == "scancel":
    for number in arguments:
        queue.pop(number)
elif tool == "sinfo":
    print("\\n".join(site["nodes"]))
(home / "queue.json").write_text(json.dumps(queue))
"""


class FakeSlurm:
    """The site in `home`; `bin` goes on the PATH."""

    def __init__(self, home: Path, max_array: int = 1001) -> None:
        self.home, self.bin = home, home / "bin"
        self.bin.mkdir(parents=True)
        for tool in ("sbatch", "squeue", "scontrol", "scancel", "sinfo"):
            file = self.bin / tool
            file.write_text(TOOL.format(python=sys.executable, home=str(home)))
            file.chmod(0o755)
        site: dict[str, Any] = {"max_array": max_array, "max_jobs": 10000, "hidden_limit": None, "down": False}
        site |= {"next": 1, "nodes": ["main*|4|64000|infinite", "shut|64|256000|1-00:00:00"]}  # as sinfo prints them
        (home / "site.json").write_text(json.dumps(site))
        (home / "queue.json").write_text("{}")

    @contextmanager
    def _changed(self, name: str) -> Iterator[dict[str, Any]]:
        """The content of one of the tools' files, written back at the end."""
        file = self.home / name
        with open(self.home / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = json.loads(file.read_text())
            yield content
            file.write_text(json.dumps(content))

    def set(self, **values: Any) -> None:
        """Change what the site is like: max_array, max_jobs, hidden_limit, down, nodes."""
        with self._changed("site.json") as site:
            site.update(values)

    def queue(self) -> dict[str, list[int]]:
        """The tasks of each job that have not ended."""
        with self._changed("queue.json") as found:
            return {job: content["tasks"] for job, content in found.items() if content["tasks"]}

    def calls(self, tool: str) -> list[str]:
        try:
            lines = (self.home / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.split()[0] == tool]

    def drop(self, job: str | None = None) -> None:
        """Jobs leave the queue without a word, as those of a node that died."""
        with self._changed("queue.json") as queue:
            for number in list(queue) if job is None else [job]:
                queue.pop(number, None)

    def pend(self, job: str, reason: str) -> None:
        """A job waits for this reason."""
        with self._changed("queue.json") as queue:
            queue[job] |= {"state": "PENDING", "reason": reason}

    def script(self, job: str) -> str:
        return (self.home / f"{job}.sh").read_text()

    def start(self, job: str, task: int, **more: str) -> subprocess.Popen[str]:
        """What slurmd does with one task: the script in a shell, with the variables of the array."""
        with self._changed("queue.json") as queue:
            queue[job]["state"] = "RUNNING"
        variables = {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_JOB_ID": f"{job}{task}"}
        return subprocess.Popen(
            ["bash", str(self.home / f"{job}.sh")],
            env={**os.environ, **variables, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
