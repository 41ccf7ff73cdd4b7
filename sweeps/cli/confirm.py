"""`python -m sweeps confirm NAME`: train the best settings of a sweep again, on fresh seeds and images."""

from __future__ import annotations

from landscape.config.cli import quoted
from landscape.store import Store
from landscape.store.lookup import find_sweep
from sweeps.cli import arguments
from sweeps.launchers.setup_lines import Source


def confirm(argv: list[str]) -> int:
    """Run the sweep's own command with stage=confirm; returns the exit code."""
    from sweeps.cli.race import confirm_race
    from sweeps.cli.sweep import main

    given = arguments.confirm().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    plan, ours = folder.signed_plan()
    command = plan.command
    source = Source(folder.plan_file, ours, given.accept_setup)
    typed = [*command, *given.overrides, f"store={quoted(str(store.root))}", "stage=confirm"]
    if folder.race_file.exists():
        return confirm_race(typed, folder, source)
    return main(typed, folder.name, source)
