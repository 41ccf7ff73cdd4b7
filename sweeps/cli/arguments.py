"""What each command takes. It loads nothing that plans or trains, so that help and completion are quick."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from landscape.config.cli import ANY, Deprecated, Parser, prints_only

STORE = Deprecated("--store", "store=")
ACCEPT_SETUP = "--accept-setup"
TAKES = ("metrics", "store", "threads", "device", "launcher")  # keys that scoring finished runs takes
OVERRIDES = (
    "KEY=VALUE are those of python -m landscape.sweep, whose --help lists them. store=FOLDER is one (default: outputs)."
)

SWEEP = """Train one run, a grid of runs or a search, and score them.

  loss=ls                         one run, in this process
  -m loss=ns,wgan,ls reg=gp,sn    a grid: one process a run, as many at once as fit
  study=demo                      a named grid
  --cfg job                       show the composed configuration and do nothing

The same command given again trains only what is missing. With -m a value may be a,b,c or range(0,5) or glob(*)."""

PLAN = """Count the runs of a command, by what they need, by state and by cell, and estimate hours from the finished
runs of the store. It writes nothing. launcher.price=P, the price of an hour of a GPU or core, adds the cost.

"""

EVALUATE = """Score finished runs under another protocol from their kept generators; trains nothing.

  python -m landscape.evaluate metrics.seed=7                      every run as before, on fresh latents
  python -m landscape.evaluate --where loss=ns metrics.real=train  against other real images
  python -m landscape.evaluate 3f2a 91bc metrics=classifier        two runs (beginnings of ids will do)
  python -m landscape.evaluate --sweep demo -m metrics.seed=7,8,9  a sweep's runs, under three protocols

A run must meet all that chooses; without RUN, --sweep and --where all runs of the store are meant. KEY=VALUE are
metrics=NAME, metrics.KEY=VALUE, store, threads, device and launcher, as landscape.sweep takes them. Without
metrics=NAME a run's own protocol is the one that metrics.KEY=VALUE changes. Given again, it finds nothing to do."""

PREFETCH = """Bring into the store what runs need and compute nodes cannot fetch.

  data=CHOICE [data.path=PATH]                decode a data set, or check it; CIFAR-10 is downloaded
  metrics=inception [metrics.weights=FILE]    the Inception weights: from the file, else downloaded once
  metrics=dinov2 metrics.weights=FILE         the DINOv2 weights, from the file
  metrics=imagenet                            the EfficientNet-Lite0 weights, from the package that brings them
  metrics=classifier                          the data set's classifier, trained on all cores; minutes on CIFAR-10

KEY=VALUE are those of a sweep; of others than these only store matters. What is in the store already is checked to the
last byte and made again where it is damaged."""


class Command(NamedTuple):
    """What a command takes, and the function (as module:name) that does it, loaded when it is called."""

    parser: Callable[[], Parser]
    function: str
    takes: str = ""  # in a line of the help of all verbs, and what it is for
    help: str = ""

    def __call__(self, argv: Sequence[str]) -> int:
        """The exit code; raises `UserError` and `EarlyExit`."""
        if prints_only(argv):
            self.parser().parse(argv)
        module, _, name = self.function.partition(":")
        code: int = getattr(importlib.import_module(module), name)(list(argv))
        return code


def sweep_names(begun: str, given: Namespace) -> Iterable[str]:
    """The sweeps of the store."""
    folder = Path(given.store).expanduser() / "sweeps"
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def run_ids(begun: str, given: Namespace) -> Iterable[str]:
    """The runs of the store."""
    folder = Path(given.store).expanduser() / "runs"
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


def sweep() -> Parser:
    """Of `landscape.sweep`."""
    made = Parser("python -m landscape.sweep", SWEEP, ANY)
    made.extra_help = _keys_help
    _multirun(made)
    hydra = made.add_argument_group("of Hydra, which prints and trains nothing")
    hydra.add_argument("-c", "--cfg", choices=("job", "hydra", "all"), help="the composed configuration")
    hydra.add_argument("-i", "--info", help="how it was composed: all, config, defaults, defaults-tree, ...")
    hydra.add_argument("-r", "--resolve", action="store_true", help="with --cfg: interpolations resolved")
    hydra.add_argument("-p", "--package", help="with --cfg: one part of it")
    return made


def plan() -> Parser:
    """Of `sweeps plan`."""
    made = Parser("python -m sweeps plan", PLAN + OVERRIDES, ANY, [STORE])
    _multirun(made)
    return made


def evaluate() -> Parser:
    """Of `landscape.evaluate`."""
    made = Parser("python -m landscape.evaluate", EVALUATE, ANY, [STORE, Deprecated("run=", "")])
    made.allowed_groups = TAKES
    made.positional("run", "runs, by their ids or the beginnings of these", "*", run_ids)
    made.add_argument("--sweep", action="append", default=[], metavar="SWEEP", help="the runs that a sweep planned")
    made.completes["--sweep"] = sweep_names
    made.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE,...", help="runs with these values; repeatable"
    )
    _multirun(made)
    return made


def prefetch() -> Parser:
    """Of `landscape.prefetch`."""
    return Parser("python -m landscape.prefetch", PREFETCH, ANY)


def status() -> Parser:
    """Of `sweeps status`."""
    about = "Count runs by cell and state; show the newest scores, and what is lost or failed and why."
    made = Parser("python -m sweeps status", about, ["store"], [STORE, Deprecated("--sweep", "")])
    _sweep(made, "all runs of the store")
    made.add_argument(
        "--where",
        action="extend",
        nargs="+",
        default=[],
        metavar="AXIS=VALUE[,VALUE]",
        help="only runs with these values: --where loss=ns seed=0,1 state=failed",
    )
    made.add_argument("--json", action="store_true", help="all of it as JSON, with every run, for scripts")
    return made


def watch() -> Parser:
    """Of `sweeps watch`."""
    about = "Show a sweep live until it is finished (exit code 0, or 1 with failures); Ctrl-C leaves and stops nothing."
    return _sweep(Parser("python -m sweeps watch", about, ["store"], [STORE]), "the newest of the store")


def wait() -> Parser:
    """Of `sweeps wait`."""
    about = (
        "Wait until what a sweep's newest command asked for is finished: 0, or 1 where some failed or nobody is at it."
    )
    return _sweep(Parser("python -m sweeps wait", about, ["store"], [STORE]), "the newest of the store")


def logs() -> Parser:
    """Of `sweeps logs`."""
    about = "Print the last lines of a run's log, and of the scheduler's log of its newest job where there is one."
    made = Parser("python -m sweeps logs", about, ["store"], [STORE])
    made.positional("run", "its id or the beginning of it; status names them", None, run_ids)
    made.add_argument("-n", "--lines", type=int, default=40, help="how many lines of each log (default: 40)")
    made.add_argument("-f", "--follow", action="store_true", help="go on with what is added, until the run ends")
    return made


def submit() -> Parser:
    """Of `sweeps submit`."""
    about = "Submit what a sweep on a cluster lacks, but for the failed: given again and again it does no harm."
    return _accept(_sweep(Parser("python -m sweeps submit", about, ["store"], [STORE])))


def retry() -> Parser:
    """Of `sweeps retry`."""
    about = (
        "Train again what failed, was stopped, lost or given up, by the launcher that the sweep's newest command chose."
    )
    return _accept(_sweep(Parser("python -m sweeps retry", about, ["store"], [STORE])))


def cancel() -> Parser:
    """Of `sweeps cancel`."""
    about = (
        "Take a sweep's jobs out of the queue and ask its workers to save and stop; nothing that was trained is lost."
    )
    return _sweep(Parser("python -m sweeps cancel", about, ["store"], [STORE]))


def confirm() -> Parser:
    """Of `sweeps confirm`."""
    about = (
        "Train the best settings of a sweep again, on what did not choose them: its own command, for its last stage."
    )
    more = "KEY=VALUE are such as confirm.top=3 confirm.seeds=10 launcher.jobs=2, or store=FOLDER."
    made = Parser("python -m sweeps confirm", f"{about}\n\n{more}", ANY, [STORE])
    made.positional("sweep", "its name or the beginning of it", None, sweep_names)
    return _accept(made)


def clean() -> Parser:
    """Of `sweeps clean`."""
    about = "Show what killed processes left: temporary files, half-made folders, locks; --yes removes it."
    made = Parser("python -m sweeps clean", about, ["store"], [STORE])
    made.add_argument(
        "--report", action="append", default=[], metavar="FOLDER", help="a report's folder, to clean it too"
    )
    made.add_argument("--yes", action="store_true", help="remove what is shown")
    return made


def completion() -> Parser:
    """Of `sweeps completion`."""
    about = """Print what makes a shell complete these commands, as scripts and as python -m.

  eval "$(python -m sweeps completion bash)"      for this shell; in ~/.bashrc for each"""
    made = Parser("python -m sweeps completion", about)
    made.add_argument("shell", choices=("bash",), help="which shell")
    return made


def _keys_help() -> str:
    from sweeps.cli.key_help import key_help

    return key_help()


def _multirun(made: Parser) -> None:
    made.add_argument("-m", "--multirun", action="store_true", help="a grid: several values of a key are several runs")


def _sweep(made: Parser, otherwise: str = "the only one of the store") -> Parser:
    made.positional("sweep", f"its name or the beginning of it (default: {otherwise})", "?", sweep_names)
    return made


def _accept(made: Parser) -> Parser:
    made.add_argument(
        ACCEPT_SETUP, action="store_true", help="run the shell lines of launcher.setup that the store holds"
    )
    return made


COMMANDS = {
    "sweep": Command(sweep, "sweeps.cli.sweep:main"),
    "evaluate": Command(evaluate, "sweeps.cli.evaluate:main"),
    "prefetch": Command(prefetch, "sweeps.cli.prefetch:main"),
}
VERBS = {
    "plan": Command(
        plan, "sweeps.cli.plan:plan", "[-m] KEY=VALUE ...", "count a command's runs; their states, hours, cost"
    ),
    "status": Command(
        status, "sweeps.cli.status:status", "[SWEEP]", "runs by cell and state, newest scores, what is lost or failed"
    ),
    "watch": Command(watch, "sweeps.cli.watch:watch", "[SWEEP]", "the same, live, until the sweep is finished"),
    "wait": Command(
        wait, "sweeps.cli.wait:wait", "[SWEEP]", "block until it is finished: exit code 0, or 1 with failures"
    ),
    "logs": Command(
        logs, "sweeps.cli.logs:logs", "RUN", "the last lines of a run's log (--follow), and of its job's on a cluster"
    ),
    "submit": Command(submit, "sweeps.cli.resubmit:submit", "[SWEEP]", "hand the rest of a sweep to the cluster"),
    "retry": Command(retry, "sweeps.cli.resubmit:retry", "[SWEEP]", "train again what failed, was stopped or was lost"),
    "confirm": Command(
        confirm, "sweeps.cli.confirm:confirm", "SWEEP", "train its best settings again, on what did not choose them"
    ),
    "clean": Command(
        clean, "sweeps.cli.clean:clean", "", "show what killed processes left in the store; --yes removes it"
    ),
    "cancel": Command(cancel, "sweeps.cli.cancel:cancel", "[SWEEP]", "stop a sweep; what was begun is saved"),
    "completion": Command(
        completion, "sweeps.cli.completion:completion", "SHELL", "print what makes a shell complete these commands"
    ),
}
