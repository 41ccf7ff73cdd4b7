"""Where runs came from: the commands, code, machines and packages behind them, from meta.json."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from analysis.load import Collected


def reproduce(found: Collected) -> dict[str, list[tuple[Any, int]]]:
    """The distinct commands, code, machines and packages behind the runs, each with its number of runs."""
    kinds: dict[str, Counter[Any]] = {key: Counter() for key in ("commands", "code", "machines", "packages")}
    for meta in found.meta.values():
        if "command" in meta:
            kinds["commands"][written_command(meta["command"])] += 1
        planned = meta.get("planned", {})
        facts = [
            f"version {planned['version']}" if planned.get("version") else "",
            f"commit {planned['commit']}" if planned.get("commit") else "",
            "with uncommitted changes" if planned.get("dirty") else "",
        ]
        if any(facts):
            kinds["code"][", ".join(fact for fact in facts if fact)] += 1
        for machine in meta.get("machines", []):
            kinds["machines"][machine_text(machine)] += 1
            packages = machine.get("packages")
            if isinstance(packages, dict) and packages:
                kinds["packages"][", ".join(f"{p} {v}" for p, v in sorted(packages.items()))] += 1
    return {key: counts.most_common() for key, counts in kinds.items()}


def machine_text(machine: dict[str, Any]) -> str:
    """A machine's entry of meta.json in a few words: model, device, threads, precision."""
    facts = [
        machine.get("gpu") or machine.get("cpu"),
        f"device {machine['device']}" if machine.get("device") else "",
        f"{machine['threads']} thread{'s' * (machine['threads'] != 1)}" if machine.get("threads") else "",
        machine.get("precision"),
    ]
    return ", ".join(str(fact) for fact in facts if fact)


def written_command(overrides: list[str]) -> str:
    """The command of these arguments, quoted for a shell."""
    return " ".join(["python -m landscape.sweep", *map(_quoted, overrides)])


def _quoted(override: str) -> str:
    """For a shell, in double quotes where there are single ones already and nothing else that they would expand."""
    plain = shlex.quote(override)
    return f'"{override}"' if "'" in override and not set(override) & set('"$`\\!') else plain
