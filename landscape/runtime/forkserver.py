"""Fork server: a process with torch loaded forks a worker per run, which saves the start-up time.

`python -m landscape.runtime.forkserver --store DIR` reads requests from standard input, one JSON object per line:

    {"id": 3, "arguments": [...], "environment": {...}, "log": "/path/log.txt"}

It answers on standard output: `{"ready": true}` once, `{"id": 3, "pid": 123}` when the worker has its own session, and
`{"id": 3, "code": 0}` when it has ended (negative signal number if it was killed). A worker runs
`landscape.runtime.worker` with the given arguments and environment, and appends its output to the log. The server ends
with its standard input; its workers continue. `--store` only identifies the process in process lists, because a worker
inherits the server's command line.

multiprocessing.forkserver is not used: it reports a worker before it has its session (a signal to the session would be
lost), waits for workers when the controller ends, and has a single environment.

No torch operation runs before a fork and CUDA is not initialized, because neither survives a fork.
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

# Modules that a worker would import in its first steps: torch._dynamo comes with the first optimizer, the others with
# data and pictures.
PRELOAD = ("landscape.runtime.worker", "torch._dynamo", "sklearn.datasets", "PIL.PngImagePlugin")


def main() -> int:
    """Serve until standard input ends. In a forked worker: returns the exit code of its run."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # output of imports must not mix with answers
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # query GPUs without initializing CUDA
    for name in PRELOAD:
        importlib.import_module(name)
    from landscape.runtime import worker
    from landscape.store import provenance

    provenance.code(), provenance.packages()  # record the versions that were loaded, even if files change later
    gc.freeze()  # avoids copy-on-write by garbage collection in workers
    job = serve(requests, answers)
    return ExitCode.DONE if job is None else worker.main(job["arguments"])


def serve(requests: int, answers: int) -> dict[str, Any] | None:
    """Serve until `requests` ends (returns None). In a forked worker: returns its job."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}  # pid -> id of the request
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
    """Write one line of JSON to the file descriptor. Raises `BrokenPipeError` if nobody reads."""
    os.write(answers, json.dumps(what).encode() + b"\n")


def reap(running: dict[int, int], answers: int) -> None:
    """Report every worker that has ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        answer(answers, {"id": running.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def fork(job: dict[str, Any], own: list[int]) -> int:
    """Fork a worker. Returns its pid once it can receive signals to its session; returns 0 in the worker."""
    started, tell = os.pipe()
    with warnings.catch_warnings():
        # Threads of a linear algebra library, which it stops for the fork and restarts.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(tell)
        os.read(started, 1)  # wait until the worker closes its end
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
