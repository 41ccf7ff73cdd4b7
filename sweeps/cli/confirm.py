"""`python -m sweeps confirm NAME`: the best settings of a sweep again, on what did not choose them."""

from __future__ import annotations

import argparse

from landscape.store import Store
from landscape.store.lookup import find_sweep
from sweeps.launchers.setup_lines import Source, add_flag


def confirm(arguments: list[str]) -> int:
    """`python -m sweeps confirm NAME`: the sweep's own command again, for its last stage."""
    from sweeps.cli.sweep import main

    parser = argparse.ArgumentParser(prog="python -m sweeps confirm", description=__doc__)
    parser.add_argument("sweep", help="its name or the beginning of it")
    parser.add_argument("overrides", nargs="*", help="such as confirm.top=3 confirm.seeds=10 launcher.jobs=2")
    parser.add_argument("--store", default="outputs", help="the store's folder (default: outputs)")
    add_flag(parser)
    given = parser.parse_intermixed_args(arguments)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    plan, ours = folder.signed_plan()
    command = [str(text) for text in plan["command"]]
    root = str(store.root).replace("\\", "\\\\").replace("'", "\\'")
    source = Source(folder.plan_file, ours, given.accept_setup)
    return main([*command, f"store='{root}'", "stage=confirm", *given.overrides], folder.name, source)
