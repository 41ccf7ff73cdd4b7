"""Workers without their start-up time: a process that has loaded torch forks one for every run that it is asked for.

`python -m landscape.runtime.forkserver --store DIR` reads requests, a JSON object a line, from standard input:

    {"id": 3, "arguments": [...], "environment": {...}, "log": "/path/log.txt"}

and answers on standard output `{"ready": true}` once, `{"id": 3, "pid": 123}` when the worker is a session of its own,
and `{"id": 3, "code": 0}` when it has ended (minus the signal's number where it was killed). A worker is
`landscape.runtime.worker` with those arguments, with that environment and its output at the end of that log. The end of
standard input ends the server; its workers live on. The store is named for whoever asks what a process is, for
a worker keeps the command of its server; requests say all that decides.

Python's multiprocessing.forkserver was weighed: it names a worker before it is a session (a signal to the session
is lost then), waits for its workers when the controller ends, and serves one environment only.

No torch operation runs before a fork, and CUDA is not touched: neither survives one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import warnings
from typing import Any

from landscape.config.errors import ExitCode

# What a worker would load in its first steps: torch._dynamo comes with the first optimizer, the others with data and
# pictures.
PRELOAD = ("landscape.runtime.worker", "torch._dynamo", "sklearn.datasets", "PIL.PngImagePlugin")


def main() -> int:
    """Serve until standard input ends; in a forked worker, the exit code of its run."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what an import may print is no answer
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asked whether there is a GPU, torch does not start CUDA
    for name in PRELOAD:
        importlib.import_module(name)
    from landscape.runtime import worker
    from landscape.store import provenance

    provenance.code(), provenance.packages()  # those that were loaded, whatever happens to the files meanwhile
    gc.freeze()  # a collection in a worker does not copy what it shares with the others
    job = serve(requests, answers)
    return ExitCode.DONE if job is None else worker.main(job["arguments"])


def serve(requests: int, answers: int) -> dict[str, Any] | None:
    """Serve until `requests` ends (None); in a forked worker, return its job."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}  # pids to ids
    text = b""
    try:
        answer(answers, {"ready": True})
        while True:
            ready, _, _ = select.select([requests, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                reap(running, answers)
            if requests not in ready:
                continue
            read = os.read(requests, 1 << 16)
            if not read:
                return None
            *lines, text = (text + read).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = fork(job, [requests, answers, woken, wake])
                if pid == 0:
                    return dict(job)
                running[pid] = job["id"]
                answer(answers, {"id": job["id"], "pid": pid})
    except BrokenPipeError:
        return None


def answer(answers: int, what: dict[str, Any]) -> None:
    """Write one line of JSON to the file descriptor; raises `BrokenPipeError` where nobody reads any more."""
    os.write(answers, json.dumps(what).encode() + b"\n")


def reap(running: dict[int, int], answers: int) -> None:
    """Tell of every worker that has ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        answer(answers, {"id": running.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def fork(job: dict[str, Any], own: list[int]) -> int:
    """Fork: the worker's pid once it is ready for signals to its session, or 0 in the worker, which is set up then."""
    started, tell = os.pipe()
    with warnings.catch_warnings():
        # Threads that a linear algebra library holds ready; it takes them down for the fork and up again.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(tell)
        os.read(started, 1)  # its end
        os.close(started)
        return pid
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(job["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = ["landscape.runtime.worker", *job["arguments"]]
    for fd in (*own, nothing, log, started, tell):
        os.close(fd)
    return 0


if __name__ == "__main__":
    sys.exit(main())
