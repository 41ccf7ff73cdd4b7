"""The store: every path and file name in it, and how each file is read and written. No torch.

    <store>/
      runs/<id>/
        config.yaml        frozen at planning: all that the run is
        meta.json          the overrides, the planner's code version, one entry for each machine it was on
        status.json        state, heartbeat, axes, newest scores: the one file that `status` reads
        metrics.jsonl      one row an evaluation
        protocols/<p>.json the full text of each protocol that a row names
        requests/<r>.yaml  scores asked for beyond those of config.yaml
        claims/<n>.json    who works on it; the highest number is in force
        checkpoint/        the last two checkpoints while it trains, the kept weights afterwards
        samples/<step>.png sample grids; <score>-<step>-<protocol>.png pictures that belong to a score
        log.txt            what the worker printed
        mirror.json        which rows a mirror of the run (wandb) has
      sweeps/<name>/       nothing that a run needs
        plan.json          a plan: which runs, from which command
        jobs.json          which resources each of them gets from a scheduler
        submissions.jsonl  what was handed to the scheduler, one array a line, and what became of it
        logs/              what the scheduler's jobs printed
        controller.json    the process that trains it on its own machine
        search.json        its searches, a cell each: what they vary and how
        trials.jsonl       where its runs came from: grid, search or confirm, in which order
        search/            the searches' trials (SQLite or journals), locks, and the logs of their workers
      cache/               trained extractors and reference statistics, by content
        datasets/<digest>/ a decoded data set: header.json, and images, labels, train, test as .npy
        sources/<f>.json   which data set the files of this fingerprint decode to
        sizes/<f>.json     how many images of which size the files of this fingerprint are
        weights/<digest>.pth   published weights of an extractor, as they were given or downloaded
        downloads/<kind>/  what landscape.prefetch fetched
      wandb/               what logger=wandb leaves for `wandb sync`

Other modules ask here for a path and never build one.
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
