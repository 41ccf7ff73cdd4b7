"""The store: all paths and file formats. No torch.

    <store>/
      runs/<id>/
        config.yaml        frozen configuration, written at planning
        meta.json          overrides, code version at planning, one entry per machine
        status.json        state, heartbeat, axes, latest scores; the only file that `status` reads
        metrics.jsonl      one row per evaluation
        protocols/<p>.json full protocols that rows refer to
        requests/<r>.yaml  requests for scores beyond those of config.yaml
        claims/<n>.json    leases: which process works on the run; the highest number is valid
        checkpoint/        the last two checkpoints during training, the final weights afterwards
        samples/<step>.png sample grids; <score>-<step>-<protocol>.png pictures of a score
        log.txt            output of the worker
        mirror.json        which rows an experiment tracker (wandb) has
      sweeps/<name>/       not needed by runs
        plan.json          the plan: its runs and its command
        jobs.json          resources that each run gets from a scheduler
        submissions.jsonl  submitted jobs, one array per line, and their outcome
        logs/              output of the scheduler's jobs
        controller.json    the process that trains the sweep on this machine
        search.json        searches, one per cell: space, sampler, number of trials
        trials.jsonl       origin of each run: grid, search or confirm, in order
        search/            storage of the searches (SQLite or journals), locks, logs of their workers
      cache/               trained extractors and reference statistics, by content
        datasets/<digest>/ a decoded data set: header.json, and images, labels, train, test as .npy
        sources/<f>.json   the data set that files with this fingerprint decode to
        sizes/<f>.json     image sizes of the files with this fingerprint
        weights/<digest>.pth   weights of published extractors
        downloads/<kind>/  downloads of landscape.prefetch
      wandb/               files of logger=wandb, for `wandb sync`

Other modules get all paths from here.
"""

from landscape.store.dataset_folder import DatasetFolder
from landscape.store.formats import (
    DIVERGED,
    DONE,
    FAILED,
    FINISHED,
    PLANNED,
    PREEMPTED,
    QUEUED,
    RUNNING,
    STATES,
    STOPPED,
)
from landscape.store.run_folder import RunFolder
from landscape.store.run_status import RunStatus
from landscape.store.store import Store
from landscape.store.sweep_folder import SweepFolder

__all__ = [
    "DIVERGED",
    "DONE",
    "FAILED",
    "FINISHED",
    "PLANNED",
    "PREEMPTED",
    "QUEUED",
    "RUNNING",
    "STATES",
    "STOPPED",
    "DatasetFolder",
    "RunFolder",
    "RunStatus",
    "Store",
    "SweepFolder",
]
