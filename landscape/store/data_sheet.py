"""What is in a table of runs, for people: the Markdown beside an exported file."""

from __future__ import annotations

import textwrap

from landscape.config.text import plural
from landscape.store.formats import DONE
from landscape.store.run_table import RECORDS, RUN, SETTING_KEYS, SWEEP, RunTable


def data_sheet(table: RunTable, name: str) -> str:
    """What is in a table, as Markdown: cells, protocols, machines, cost, columns, and what was left out."""
    frame = table.frame()
    runs = frame[frame["record"] == RUN]
    hours = {key: sum(runs[key]) / 3600 for key in ("train_s", "eval_s", "wasted_s")}
    counts = ", ".join(f"{n} {state}" for state, n in runs["status"].value_counts().items())
    unended = f" {plural(table.left_out, 'run')} had not ended and are not in it." if table.left_out else ""
    lines = [
        f"# {name}",
        "",
        f"{plural(len(runs), 'run')} ({counts}) of {plural(len(frame) - len(runs), 'sweep')}.{unended}",
        f"Training took {hours['train_s']:.1f} h by the clock, scoring {hours['eval_s']:.1f} h; "
        f"{hours['wasted_s']:.1f} h were lost to interruptions.",
        "",
        f"    digest {table.digest}",
        "",
        f"    python -m sweeps import {name} store=FOLDER      # checks it, and adds it to a store",
        f"    python -m analysis.report store={name}           # checks it, and writes the report",
        "",
        "## Cells",
        "",
        "| data | network | cell | runs | settings | seeds | steps | ended otherwise than done |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (data, arch, cell), mine in runs.groupby(["data", "arch", "cell"], sort=True):
        settings = mine[[*SETTING_KEYS]].astype(str).drop_duplicates()
        steps = ", ".join(f"{step:,}" for step in sorted(set(mine["steps"])))
        otherwise = mine.loc[mine["status"] != DONE, "status"].value_counts().items()
        ended = ", ".join(f"{n} {state}" for state, n in otherwise)
        lines.append(
            f"| {data} | {arch} | {cell} | {len(mine)} | {len(settings)} | {mine['seed'].nunique()} | {steps} "
            f"| {ended} |"
        )
    texts = {key: text for row in table.runs for key, text in row.parts["protocols"].items()}
    lines += ["", "## Protocols", ""]
    for key in sorted(texts):
        of = {name: value for name, value in texts[key].items() if value is not None and not isinstance(value, dict)}
        said = ", ".join(
            f"{name} {of[name]}" for name in ("extractor", "real", "n_real", "n_fake", "seed") if name in of
        )
        lines.append(f"- `{key}`: {said} ({_count(table, key)} runs)")
    lines += ["", "## Machines and code", ""]
    lines += [f"- {text}: {plural(n, 'run')}" for text, n in _machines(table)]
    lines += [
        *("", "## Columns", ""),
        f"One row is a run (`record` is {RUN}) or a sweep ({SWEEP}). For reading are",
        *textwrap.wrap(", ".join(f"`{name}`" for name in frame if name not in RECORDS) + ":", 120),
        "the state, the cell, seed and settings, D updates done, the distance at the last evaluation under the run's",
        "own protocol, seconds of the run, and what proposed it. The records are JSON: `config` (what was trained; the",
        "id is its hash), `state`, `meta` (command, code, machines), `metrics` (a row an evaluation: scores by step",
        "and their cost), `protocols` (how each was scored), and of sweeps `plan`, `searches`, `trials`, `race`.",
        "",
        "Not in the table: weights, samples, logs, paths, host names, launchers, trackers, databases.",
    ]
    return "\n".join(lines) + "\n"


def _count(table: RunTable, protocol: str) -> int:
    return sum(protocol in row.parts["protocols"] for row in table.runs)


def _machines(table: RunTable) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for row in table.runs:
        for machine in (row.parts["meta"].get("machines") or [])[-1:]:
            code, packages = machine.get("code") or {}, machine.get("packages") or {}
            facts = [
                machine.get("gpu") or machine.get("cpu"),
                f"version {code.get('version')}" if code.get("version") else None,
                f"commit {str(code.get('commit'))[:12]}" if code.get("commit") else None,
                *(f"{name} {packages[name]}" for name in ("python", "torch", "numpy") if name in packages),
            ]
            text = ", ".join(str(fact) for fact in facts if fact)
            counts[text] = counts.get(text, 0) + 1
    return sorted(counts.items(), key=lambda one: -one[1])
