"""Refuses jobs that fit on no node of their partition, before anything is written.

SLURM may accept such a job and never start it. In doubt the job is left to sbatch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from landscape.config.errors import UserError
from landscape.store.jobs import Resources
from sweeps.launchers.slurm.client import CLIENT, Nodes

ELSEWHERE = ("SBATCH_PARTITION", "SBATCH_CLUSTERS", "SLURM_CLUSTERS")  # these override the script


def check_fits(wanted: Iterable[Resources]) -> None:
    """Raise `UserError` if a job with any of these resources fits on no node of its partition."""
    if any(name in os.environ for name in ELSEWHERE):
        return
    site: list[Nodes] | None = None
    for resources in wanted:
        if any(option.partition("=")[0] in ("--partition", "--clusters") for option in resources.extra):
            continue
        site = CLIENT.nodes() if site is None else site
        names = (resources.partition or "").split(",")
        groups = [[one for one in site if one.partition == name or (not name and one.default)] for name in names]
        whys = [_why_not(resources, group) for group in groups]
        if all(why is not None for why in whys):
            raise UserError(f"{whys[0]}; nothing was submitted")


def _why_not(resources: Resources, nodes: list[Nodes]) -> str | None:
    """Why no node of one partition fits a job, in words; None if one may, or its nodes are unknown."""
    if not nodes:
        return None
    partition, limit = nodes[0].partition, nodes[0].minutes
    cores, memory = f"launcher.cores={resources.cores}", f"launcher.memory={resources.memory or 0:g}G"
    if limit is not None and resources.time > limit and resources.qos is None:  # a qos may allow more
        return f"launcher.time={resources.time} is more than partition {partition} allows ({limit} minutes)"
    needed = (resources.memory or 0) * 1024
    most_cores, most_memory = max(one.cores for one in nodes), max(one.memory for one in nodes)
    if resources.cores > most_cores:
        return f"{cores} is more than a node of partition {partition} has ({most_cores} cores)"
    if needed > most_memory:
        return f"{memory} is more than a node of partition {partition} has ({most_memory / 1024:.1f} GB)"
    if not any(one.cores >= resources.cores and one.memory >= needed for one in nodes):
        kinds = ", ".join(f"{one.cores} cores with {one.memory / 1024:.1f} GB" for one in nodes[:5])
        return f"no node of partition {partition} has both {cores} and {memory}; it has nodes of {kinds}"
    return None
