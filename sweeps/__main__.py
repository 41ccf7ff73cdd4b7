"""Plan, monitor and control many runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from landscape.config.cli import VERSION
from landscape.config.completion import COMPLETE, typed_words
from landscape.config.errors import EarlyExit, UserError, nearest
from sweeps.cli.arguments import VERBS


def usage() -> str:
    """The help text of the program."""
    width = max(len(f"{verb} {does.takes}") for verb, does in VERBS.items())
    lines = ["usage: python -m sweeps COMMAND ...", "", str(__doc__), ""]
    lines += [f"  {f'{verb} {does.takes}':{width}}  {does.help}" for verb, does in VERBS.items()]
    lines += [
        "",
        "plan takes the arguments of python -m landscape.sweep and writes nothing. SWEEP is a sweep's name or a prefix",
        "of it; by default status and export cover the whole store, watch and wait the newest sweep, the others the",
        "only one.",
        "RUN is a run's id or a prefix of it. Each command takes store=FOLDER (default: outputs), -v and -q.",
        "Help on one command: python -m sweeps COMMAND --help",
    ]
    return "\n".join(lines)


def do(argv: Sequence[str]) -> int:
    """Run a command; returns its exit code. Raises `UserError`, and `EarlyExit` after help, version or completion."""
    words = typed_words()
    if words is not None and len(words) == 1:
        print("\n".join(f"{verb} " for verb in VERBS if verb.startswith(words[0])))
        raise EarlyExit
    if words is not None:
        os.environ[COMPLETE] = "\n".join(words[1:])  # for the verb
        argv = words
    verb, *arguments = argv or ["--help"]
    if verb == "--version":
        print(VERSION)
        raise EarlyExit
    if verb in ("-h", "--help", "help"):
        print(usage())
        raise EarlyExit
    if verb not in VERBS:
        raise UserError(f"unknown command {verb}{nearest(verb, VERBS)}; legal: {', '.join(VERBS)}")
    return VERBS[verb](arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    from sweeps.errors import run_command

    given = sys.argv[1:] if argv is None else list(argv)
    return run_command(lambda: do(given), interrupted="")


if __name__ == "__main__":
    sys.exit(main())
