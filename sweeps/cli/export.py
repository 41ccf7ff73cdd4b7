"""`python -m sweeps export` and `import`: the runs of a store as one table that can be shared, and back."""

from __future__ import annotations

import re
from pathlib import Path

from landscape.config.errors import ExitCode, UserError
from landscape.config.text import plural
from landscape.store import Store, run_table
from landscape.store.atomic_io import write_whole
from landscape.store.data_sheet import data_sheet
from landscape.store.lookup import find_sweep
from sweeps.cli import arguments
from sweeps.console import show
from sweeps.planning.sweep_runs import SweepRuns


def export(argv: list[str]) -> int:
    """Write the runs of a store, or of a sweep, as a table named by its content, with a data sheet."""
    given = arguments.export().parse(argv)
    store, out = Store(given.store), Path(given.out).expanduser()
    folder = find_sweep(store, given.sweep) if given.sweep else None
    runs = SweepRuns(store, folder).ids() if folder else ()
    table = run_table.of_store(store, folder.name if folder else None, runs)
    if not table.runs:
        raise UserError(f"no run in {store.root} has ended; give another store with store=FOLDER")
    name = given.name or re.sub(r"[^\w-]+", "-", folder.name if folder else store.root.name).strip("-") or "runs"
    file = out / f"{name}-{table.digest[:12]}.{given.format}"
    sheet = file.with_name(f"{name}-{table.digest[:12]}.md")
    try:
        out.mkdir(parents=True, exist_ok=True)
        run_table.write(table, file)
        write_whole(sheet, data_sheet(table, file.name))
    except OSError as e:
        raise UserError(f"{file} cannot be written ({e.strerror}); give another folder with --out FOLDER") from e
    unended = f"; {plural(table.left_out, 'run')} had not ended" if table.left_out else ""
    show(f"{file}: {plural(len(table.runs), 'run')}, {file.stat().st_size:,} bytes{unended}")
    show(f"{sheet}: what is in it")
    return ExitCode.DONE


def take(argv: list[str]) -> int:
    """Check a table, and add its runs to a store."""
    given = arguments.take().parse(argv)
    table = run_table.read(given.file)
    store = Store(given.store)
    new, known = run_table.put(table, store)
    there = f"; {plural(known, 'run')} it had already" if known else ""
    show(f"{store.root}: {plural(new, 'run')} added{there}; digest {table.digest[:12]}")
    return ExitCode.DONE
