"""Many runs: what a command would do, how runs stand, and what to do about them."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from landscape.config.cli import is_version
from landscape.config.errors import ExitCode, UserError, nearest
from sweeps.errors import run_command


class Verb(NamedTuple):
    """Where the function lies that does it, loaded only when it is called; its arguments, and what it is for."""

    function: str
    arguments: str
    help: str

    def __call__(self, given: list[str]) -> int:
        module, _, name = self.function.partition(":")
        code: int = getattr(importlib.import_module(module), name)(given)
        return code


VERBS = {
    "plan": Verb("sweeps.cli.plan:plan", "[-m] KEY=VALUE ...", "count a command's runs; their states, hours, cost"),
    "status": Verb(
        "sweeps.cli.status:status", "[SWEEP]", "runs by cell and state, newest scores, what is lost or failed"
    ),
    "watch": Verb("sweeps.cli.watch:watch", "[SWEEP]", "the same, live, until the sweep is finished"),
    "wait": Verb("sweeps.cli.wait:wait", "[SWEEP]", "block until it is finished: exit code 0, or 1 with failures"),
    "logs": Verb(
        "sweeps.cli.logs:logs", "RUN", "the last lines of a run's log (--follow), and of its job's on a cluster"
    ),
    "submit": Verb("sweeps.cli.resubmit:submit", "[SWEEP]", "hand the rest of a sweep to the cluster"),
    "retry": Verb("sweeps.cli.resubmit:retry", "[SWEEP]", "train again what failed, was stopped or was lost"),
    "confirm": Verb(
        "sweeps.cli.confirm:confirm", "SWEEP", "train its best settings again, on what did not choose them"
    ),
    "clean": Verb("sweeps.cli.clean:clean", "", "show what killed processes left in the store; --yes removes it"),
    "cancel": Verb("sweeps.cli.cancel:cancel", "[SWEEP]", "stop a sweep; what was begun is saved"),
}


def usage() -> str:
    """The help of the program."""
    width = max(len(f"{verb} {does.arguments}") for verb, does in VERBS.items())
    lines = ["usage: python -m sweeps VERB ...", "", str(__doc__), ""]
    lines += [f"  {f'{verb} {does.arguments}':{width}}  {does.help}" for verb, does in VERBS.items()]
    lines += [
        "",
        "plan takes what python -m landscape.sweep takes, and writes nothing. SWEEP is a sweep's name or the beginning",
        "of it: status looks at the whole store without one, watch and wait at the newest, the others at the only one.",
        "RUN is a run's id or the beginning of it. Each verb takes --store FOLDER (default: outputs), or store=FOLDER.",
        "More on one: python -m sweeps VERB --help",
    ]
    return "\n".join(lines)


def spelled(verb: str, arguments: list[str]) -> list[str]:
    """The arguments with the store named as the verb expects it: plan takes Hydra's overrides, the others flags."""
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if verb == "plan" and (argument == "--store" or argument.startswith("--store=")):
            folder = argument.removeprefix("--store=") if "=" in argument else next(rest, "")
            if not folder:
                raise UserError("--store needs a folder")
            quoted = re.sub(r"(\\*)'", r"\1\1\'", folder)
            found.append(f"store='{quoted}'")
        elif verb != "plan" and argument.startswith("store="):
            folder = argument.removeprefix("store=")
            if len(folder) > 1 and folder[0] == folder[-1] and folder[0] in "'\"":
                folder = folder[1:-1].replace(f"\\{folder[0]}", folder[0])
            found += ["--store", folder]
        else:
            found.append(argument)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    verb, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if is_version([verb]):
        return 0
    if verb in ("-h", "--help", "help"):
        print(usage())
        return 0
    if verb not in VERBS:
        print(f"{verb} is no verb{nearest(verb, VERBS)}; legal: {', '.join(VERBS)}", file=sys.stderr)
        return ExitCode.USER
    return run_command(lambda: VERBS[verb](spelled(verb, arguments)), interrupted="")


if __name__ == "__main__":
    sys.exit(main())
