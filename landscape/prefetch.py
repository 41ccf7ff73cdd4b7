"""Decode a data set into the store's cache, or check it there: `python -m landscape.prefetch data=... [KEY=VALUE ...]`.

The overrides are those of a sweep; only `data`, its keys and `store` matter. What is cached already is checked to
the last byte and made again where it is damaged. CIFAR-10 is downloaded where its files are not there.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from landscape.errors import EXIT_USER, UserError


def main() -> int:
    """Returns the exit code: 0, 2 where the command cannot be meant or the files are no good, 130 interrupted."""
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(f"usage: python -m landscape.prefetch data=CHOICE [data.path=PATH] [store=FOLDER] ...\n\n{__doc__}")
        return 0 if arguments else EXIT_USER
    try:
        prefetch(arguments)
    except UserError as e:
        print(e, file=sys.stderr)
        return EXIT_USER
    except KeyboardInterrupt:
        print("stopped; nothing half made is left", file=sys.stderr)
        return 130
    return 0


def prefetch(overrides: list[str]) -> None:
    """Bring the data set of a command into its store and say what it is; raises `UserError`."""
    from landscape.config import Data
    from landscape.data import find_data
    from landscape.data.cifar10 import Absent, download
    from landscape.store import Store

    config = _compose(overrides)
    data, store = Data(**config["data"]), Store(config["store"])
    start = time.monotonic()
    try:
        found = find_data(data, store, thorough=True)
    except Absent as e:
        print(f"downloading CIFAR-10 to {e.root}", flush=True)
        download(e.root)
        found = find_data(data, store, thorough=True)
    labels = f"{found.classes} classes" if found.classes else "no labels"
    print(
        f"data={found.name}: {len(found.train)} images to train on and {len(found.test)} to test with, "
        f"{found.channels} x {found.size} x {found.size}, {labels}; "
        f"content {found.content[:12]}, ready in {time.monotonic() - start:.1f} s"
    )


def _compose(overrides: list[str]) -> dict[str, Any]:
    """The composed configuration, the keys of `data` checked as a plan would."""
    from landscape.checks import check_ranges
    from landscape.identity import flatten
    from sweeps.compose import combinations, hydra
    from sweeps.grammar import parse
    from sweeps.settle import check_given, drop_unused

    with hydra():
        (composed,) = combinations(parse(overrides, multirun=False))
    drop_unused(composed, "data", set())
    flat = flatten({"data": composed.config["data"]})
    check_given(flat)
    check_ranges(flat)
    return composed.config


if __name__ == "__main__":
    sys.exit(main())
