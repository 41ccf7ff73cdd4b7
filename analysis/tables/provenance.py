"""Where runs came from: the commands, code, machines and packages behind them, from meta.json and the sweeps' plans."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from analysis.loading.runs import Collected
from analysis.loading.sweeps import Sweep
from landscape.config.text import plural
from landscape.store.run_meta import Code, Machine, RunMeta

# What an override may be of that says how many runs there are, or where and how they run, and not what one is.
NOT_ALONE = ("search", "confirm", "stage", "store", "launcher", "logger", "checkpoint", "threads", "device")


class Told(NamedTuple):
    """One line of the section: what to read, what to add in small letters, and of how many runs it is."""

    text: str
    more: str
    runs: int


def reproduce(found: Collected) -> dict[str, list[Told]]:
    """The sweeps with their commands, and the distinct other commands, code, machines and packages behind the runs."""
    kinds: dict[str, Counter[str]] = {key: Counter() for key in ("commands", "code", "machines", "packages")}
    named = {sweep.name for sweep in found.sweeps}
    trials = found.trials.groupby("sweep")["id"].agg(set).to_dict()
    of_sweep: dict[str, set[str]] = {sweep.name: set(trials.get(sweep.name, ())) for sweep in found.sweeps}
    for run, meta in found.meta.items():
        if meta.sweep in named:
            of_sweep[meta.sweep].add(run)
        elif command := planned_by(meta, {}):
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
            sweeps.append(Told(written_command(sweep.command), f"{sweep.name}{when}{by}", count))
    counted = {key: [Told(text, "", n) for text, n in counts.most_common()] for key, counts in kinds.items()}
    return {"sweeps": sweeps, **counted}


def planned_by(meta: RunMeta, sweeps: Mapping[str, Sweep]) -> str:
    """The command that planned a run, with all that it planned beside it; empty where that is not on record.

    It is that of its sweep. A run that a search proposed does not know it itself.
    """
    sweep = sweeps.get(meta.sweep or "")
    if sweep is not None:
        return written_command(sweep.command)
    return written_command(meta.command or meta.overrides) if meta.by_command else ""


def alone(meta: RunMeta) -> str:
    """The command that trains this run and no other; empty where that is not on record."""
    if not meta.overrides:
        return ""
    return written_command([one for one in meta.overrides if one.partition("=")[0].partition(".")[0] not in NOT_ALONE])


def machine_lines(meta: RunMeta) -> list[list[str]]:
    """Of each machine that a run was on, once: its model, the code and the packages, a line each."""
    every = [(machine_text(one), code_text(one.code), packages_text(one.packages)) for one in meta.machines]
    return [[line for line in lines if line] for lines in dict.fromkeys(every) if any(lines)]


def machine_text(machine: Machine) -> str:
    """A machine's entry of meta.json in a few words: models, device, threads, precision, and how many at once."""
    count, gpu, cpu = machine.world_size or 1, machine.gpu, machine.cpu
    facts = [
        f"{count} x {gpu or cpu}" if count != 1 and (gpu or cpu) else gpu or cpu,
        f"on {cpu}" if gpu and cpu else "",
        f"device {machine.device}" if machine.device else "",
        plural(machine.threads, "thread") if machine.threads else "",
        machine.precision,
        f"shared by {machine.sharing} runs" if (machine.sharing or 1) != 1 else "",
        f"{machine.device_batch_size} images a device" if count != 1 and machine.device_batch_size else "",
    ]
    return ", ".join(str(fact) for fact in facts if fact)


def code_text(code: Code | None) -> str:
    """Version, commit, and whether there were changes beside it; empty where nothing is on record."""
    if code is None:
        return ""
    facts = [
        f"version {code.version}" if code.version else "",
        f"commit {code.commit}" if code.commit else "",
        "with uncommitted changes" if code.dirty else "",
    ]
    return ", ".join(fact for fact in facts if fact)


def packages_text(packages: Mapping[str, Any]) -> str:
    """The versions of Python and of packages on a machine."""
    return ", ".join(f"{p} {v}" for p, v in sorted(packages.items()))


def written_command(overrides: Iterable[str], door: str = "landscape.sweep") -> str:
    """The command of these arguments, quoted for a shell."""
    return " ".join([f"python -m {door}", *map(_quoted, overrides)])


def _quoted(override: str) -> str:
    """For a shell, in double quotes where there are single ones already and nothing else that they would expand."""
    plain = shlex.quote(override)
    return f'"{override}"' if "'" in override and not set(override) & set('"$`\\!') else plain
