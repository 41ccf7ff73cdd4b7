"""Provenance of runs: commands, code, machines and packages, from meta.json and the sweeps' plans."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from analysis.loading.runs import Collected
from analysis.loading.sweeps import Sweep
from landscape.config.text import plural
from landscape.store.run_meta import Code, Machine, RunMeta

# Overrides of these say how many runs there are, or where and how they run, not what a run is.
SWEEP_KEYS = ("search", "confirm", "stage", "store", "launcher", "logger", "checkpoint", "threads", "device")


class ProvenanceLine(NamedTuple):
    """One line of the section: its text, small print, and the number of runs."""

    text: str
    more: str
    runs: int


def provenance(found: Collected) -> dict[str, list[ProvenanceLine]]:
    """Lines by kind: "sweeps", other "commands", "code", "machines" and "packages"; all but sweeps by count."""
    kinds: dict[str, Counter[str]] = {key: Counter() for key in ("commands", "code", "machines", "packages")}
    named = {sweep.name for sweep in found.sweeps}
    trials = found.trials.groupby("sweep")["id"].agg(set).to_dict()
    of_sweep: dict[str, set[str]] = {sweep.name: set(trials.get(sweep.name, ())) for sweep in found.sweeps}
    for run, meta in found.meta.items():
        if meta.sweep in named:
            of_sweep[meta.sweep].add(run)
        elif command := sweep_command(meta, {}):
            kinds["commands"][command] += 1
        codes, machines = [meta.planned, *(machine.code for machine in meta.machines)], meta.machines
        kinds["code"].update({text for code in codes if (text := code_text(code))})
        kinds["machines"].update({text for machine in machines if (text := machine_text(machine))})
        kinds["packages"].update({text for machine in machines if (text := packages_text(machine.packages))})
    sweeps = []
    for sweep in found.sweeps:
        count = len((of_sweep[sweep.name] | sweep.runs) & found.meta.keys())
        when = f", planned {sweep.made[:10]}" if sweep.made else ""
        by = f" by {code_text(sweep.code)}" if code_text(sweep.code) else ""
        if count:
            sweeps.append(ProvenanceLine(shell_command(sweep.command), f"{sweep.name}{when}{by}", count))
    counted = {key: [ProvenanceLine(text, "", n) for text, n in counts.most_common()] for key, counts in kinds.items()}
    return {"sweeps": sweeps, **counted}


def sweep_command(meta: RunMeta, sweeps: Mapping[str, Sweep]) -> str:
    """The command of the sweep that planned a run; empty if not on record.

    `sweeps` is by name. A run that a search proposed has no record of the command of its own.
    """
    sweep = sweeps.get(meta.sweep or "")
    if sweep is not None:
        return shell_command(sweep.command)
    return shell_command(meta.command or meta.overrides) if meta.by_command else ""


def single_run_command(meta: RunMeta) -> str:
    """The command that trains this run alone; empty if not on record."""
    if not meta.overrides:
        return ""
    return shell_command([one for one in meta.overrides if one.partition("=")[0].partition(".")[0] not in SWEEP_KEYS])


def machine_lines(meta: RunMeta) -> list[list[str]]:
    """For each distinct machine that a run was on: lines on the machine, the code and the packages."""
    every = [(machine_text(one), code_text(one.code), packages_text(one.packages)) for one in meta.machines]
    return [[line for line in lines if line] for lines in dict.fromkeys(every) if any(lines)]


def machine_text(machine: Machine) -> str:
    """A machine as text: models, device, threads, precision, runs per device, images per device."""
    count, gpu, cpu = machine.world_size or 1, machine.gpu, machine.cpu
    facts = [
        f"{count} x {gpu or cpu}" if count != 1 and (gpu or cpu) else gpu or cpu,
        f"on {cpu}" if gpu and cpu else "",
        f"device {machine.device}" if machine.device else "",
        plural(machine.threads, "thread") if machine.threads else "",
        machine.precision,
        f"shared by {machine.sharing} runs" if (machine.sharing or 1) != 1 else "",
        f"{machine.device_batch_size} images per device" if count != 1 and machine.device_batch_size else "",
    ]
    return ", ".join(str(fact) for fact in facts if fact)


def code_text(code: Code | None) -> str:
    """Version, commit and uncommitted changes as text; empty if not on record."""
    if code is None:
        return ""
    facts = [
        f"version {code.version}" if code.version else "",
        f"commit {code.commit}" if code.commit else "",
        "with uncommitted changes" if code.dirty else "",
    ]
    return ", ".join(fact for fact in facts if fact)


def packages_text(packages: Mapping[str, Any]) -> str:
    """The versions of Python and of packages, as text."""
    return ", ".join(f"{p} {v}" for p, v in sorted(packages.items()))


def shell_command(arguments: Iterable[str], module: str = "landscape.sweep") -> str:
    """The command `python -m module` with `arguments`, quoted for a shell."""
    return " ".join([f"python -m {module}", *map(_quoted, arguments)])


def _quoted(override: str) -> str:
    """Quoted for a shell; text with single quotes gets double ones, unless a shell would expand something in it."""
    plain = shlex.quote(override)
    return f'"{override}"' if "'" in override and not set(override) & set('"$`\\!') else plain
