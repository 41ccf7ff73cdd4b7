"""The arguments of each command. Imports nothing that plans or trains, so that help and completion are quick."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from landscape.config.cli import ANY, Deprecated, Parser, prints_only

STORE = Deprecated("--store", "store=")
ACCEPT_SETUP = "--accept-setup"
SCORING_KEYS = ("metrics", "store", "threads", "device", "launcher")  # legal for landscape.evaluate
OVERRIDES = "KEY=VALUE are those of python -m landscape.sweep, see its --help; store=FOLDER is one (default: outputs)."

SWEEP = """Train one run, a grid of runs or a search, and score them.

  loss=ls                         one run, in this process
  -m loss=ns,wgan,ls reg=gp,sn    a grid: one process per run, as many at once as fit
  study=demo                      a named grid
  --cfg job                       print the composed configuration, train nothing

The same command again trains only what is missing. With -m a value may be a,b,c or range(0,5) or glob(*)."""

PLAN = """Count the runs of a command by need, state and cell, and estimate its hours from finished runs of the store.
Writes nothing. launcher.price=P, the price of a GPU-hour or core-hour, adds the cost.

  --power --pilot outputs                                      what it takes to find the best cell, by a pilot
  --power -m loss=ns,wgan,ls reg=gp,sn --sd 0.4 --ratio 1.5    by an assumption

"""

EVALUATE = """Score finished runs under another protocol with their stored generators; trains nothing.

  python -m landscape.evaluate metrics.seed=7                      every run, on other latents
  python -m landscape.evaluate --where loss=ns metrics.real=train  against other real images
  python -m landscape.evaluate 3f2a 91bc metrics=classifier        two runs (id prefixes)
  python -m landscape.evaluate --sweep demo -m metrics.seed=7,8,9  a sweep's runs, under three protocols

RUN, --sweep and --where are combined with "and"; without any of them all runs of the store are scored. KEY=VALUE are
metrics=NAME, metrics.KEY=VALUE, store, threads, device and launcher, as for landscape.sweep. Without metrics=NAME,
metrics.KEY=VALUE changes each run's own protocol. The same command again finds nothing to do."""

PREFETCH = """Put data and weights into the store that compute nodes cannot download.

  data=CHOICE [data.path=PATH]                decode a data set, or check it; downloads CIFAR-10
  metrics=inception [metrics.weights=FILE]    the Inception weights, from the file or downloaded once
  metrics=dinov2 metrics.weights=FILE         the DINOv2 weights, from the file
  metrics=imagenet                            the EfficientNet-Lite0 weights, from its Python package
  metrics=classifier                          the data set's classifier, trained on all cores; minutes on CIFAR-10

KEY=VALUE are those of a sweep; besides these only store matters. Files that are in the store already are verified, and
replaced if damaged."""


RACE = """Find the best point of a grid with as few runs as that takes, and say how sure the answer is.

  -m loss=ns,wgan,ls reg=gp,sn               the best of six, for one model
  -m loss=ns,wgan,ls --k 5 --within 1.1      for the best of five models; ten per cent worse than the best is enough
  -m loss=ns,wgan,ls search=random --top 2   the best two, each run on a setting drawn at random
  --replay report/runs.csv --k 5             what a race would have cost on recorded runs; trains nothing

Each point is trained five times a round, on fresh seeds. Points that are not the best drop out; the race ends with the
answer or with the budget. The same command continues a race. Do not choose seeds; ask the final question at once."""


class Command(NamedTuple):
    """The arguments of a command and its function (module:name), which is imported when it is called."""

    parser: Callable[[], Parser]
    function: str
    takes: str = ""  # its arguments, and what it does, in the list of all commands
    help: str = ""

    def __call__(self, argv: Sequence[str]) -> int:
        """Run the command; returns its exit code. Raises `UserError`, and `EarlyExit` after help or completion."""
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
    """The arguments of `landscape.sweep`."""
    made = Parser("python -m landscape.sweep", SWEEP, ANY)
    made.extra_help = _keys_help
    _multirun(made)
    hydra = made.add_argument_group("Hydra's, which print and train nothing")
    hydra.add_argument("-c", "--cfg", choices=("job", "hydra", "all"), help="the composed configuration")
    hydra.add_argument("-i", "--info", help="how it was composed: all, config, defaults, defaults-tree, ...")
    hydra.add_argument("-r", "--resolve", action="store_true", help="with --cfg: resolve interpolations")
    hydra.add_argument("-p", "--package", help="with --cfg: one part of it")
    return made


def plan() -> Parser:
    """The arguments of `sweeps plan`."""
    made = Parser("python -m sweeps plan", PLAN + OVERRIDES, ANY, [STORE])
    _multirun(made)
    asks = made.add_argument_group("what an answer takes")
    asks.add_argument("--power", action="store_true", help="runs and hours that find the best cell in 80 %% of cases")
    asks.add_argument("--pilot", metavar="SOURCE", help="from runs that there are: a store or a table")
    asks.add_argument("--sd", type=float, help="else, with a grid: standard deviation of the log distance in a cell")
    asks.add_argument("--ratio", type=float, help="and how many times as high as the best the others are")
    asks.add_argument("--k", type=int, default=1, help="how many models one can afford to train (default: 1)")
    asks.add_argument("--curve", metavar="FILE", help="also write the chance by what was spent, as CSV")
    return made


def race() -> Parser:
    """Of `sweeps race`."""
    made = Parser("python -m sweeps race", RACE + "\n\n" + OVERRIDES, ANY)
    _multirun(made)
    asks = made.add_argument_group("the question")
    asks.add_argument("--k", type=int, default=1, help="how many models one can afford to train (default: 1)")
    asks.add_argument("--within", type=float, metavar="R", help="a point within this factor of the best is enough")
    asks.add_argument("--top", type=int, metavar="M", help="which points are the best M")
    asks.add_argument("--order", action="store_true", help="the order of all points")
    asks.add_argument("--error", type=float, default=0.05, help="chance of a wrong answer, at most (default: 0.05)")
    asks.add_argument("--budget", type=int, default=0, metavar="RUNS", help="runs in all (default: 120 a point)")
    asks.add_argument("--hours", type=float, help="busy hours of processors in all (default: no limit)")
    asks.add_argument("--certify", action="store_true", help="drop points only when that holds for any distribution")
    runs = made.add_argument_group("which runs it takes")
    runs.add_argument("--matched", action="store_true", help="run n of all points has the same setting and seed")
    runs.add_argument(
        "--by-cost", action="store_true", help="run the best point and its nearest rival, the cheaper one more often"
    )
    recorded = made.add_argument_group("recorded runs")
    recorded.add_argument("--replay", metavar="FILE", help="a table of runs, CSV or Parquet, instead of training")
    recorded.add_argument("--orders", type=int, default=1000, help="random orders of its runs (default: 1000)")
    recorded.add_argument("--workers", type=int, default=20, help="runs at once by the simulated clock (default: 20)")
    return made


def evaluate() -> Parser:
    """The arguments of `landscape.evaluate`."""
    made = Parser("python -m landscape.evaluate", EVALUATE, ANY, [STORE, Deprecated("run=", "")])
    made.allowed_groups = SCORING_KEYS
    made.positional("run", "ids of runs, or prefixes of them", "*", run_ids)
    made.add_argument("--sweep", action="append", default=[], metavar="SWEEP", help="the runs of a sweep; repeatable")
    made.completes["--sweep"] = sweep_names
    made.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE,...", help="runs with these values; repeatable"
    )
    _multirun(made)
    return made


def prefetch() -> Parser:
    """The arguments of `landscape.prefetch`."""
    return Parser("python -m landscape.prefetch", PREFETCH, ANY)


def status() -> Parser:
    """The arguments of `sweeps status`."""
    about = "Count runs by cell and state; show the newest scores, and which runs are lost or failed and why."
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
    made.add_argument("--json", action="store_true", help="print everything, with every run, as JSON")
    return made


def watch() -> Parser:
    """The arguments of `sweeps watch`."""
    about = "Show a sweep live until it is finished; exit codes as of wait. Ctrl-C leaves, and the runs continue."
    return _sweep(Parser("python -m sweeps watch", about, ["store"], [STORE]), "the newest of the store")


def wait() -> Parser:
    """The arguments of `sweeps wait`."""
    about = (
        "Wait until what a sweep's newest command requested is finished; exit code 1 if runs failed, hang or are idle."
    )
    return _sweep(Parser("python -m sweeps wait", about, ["store"], [STORE]), "the newest of the store")


def logs() -> Parser:
    """The arguments of `sweeps logs`."""
    about = "Print the last lines of a run's log, and of the scheduler's log of its newest job if there is one."
    made = Parser("python -m sweeps logs", about, ["store"], [STORE])
    made.positional("run", "its id or a prefix of it; status lists them", None, run_ids)
    made.add_argument("-n", "--lines", type=int, default=40, help="how many lines of each log (default: 40)")
    made.add_argument("-f", "--follow", action="store_true", help="keep printing new lines until the run ends")
    return made


def submit() -> Parser:
    """The arguments of `sweeps submit`."""
    about = (
        "Submit the unfinished runs of a sweep on a cluster, except failed ones. Queued runs are not submitted twice."
    )
    return _accept(_sweep(Parser("python -m sweeps submit", about, ["store"], [STORE])))


def retry() -> Parser:
    """The arguments of `sweeps retry`."""
    about = "Train again what failed, was stopped, lost or given up, with the launcher of the sweep's newest command."
    return _accept(_sweep(Parser("python -m sweeps retry", about, ["store"], [STORE])))


def cancel() -> Parser:
    """The arguments of `sweeps cancel`."""
    about = "Cancel a sweep's jobs and ask its workers to save and stop; the sweep's command resumes them."
    return _sweep(Parser("python -m sweeps cancel", about, ["store"], [STORE]))


def confirm() -> Parser:
    """The arguments of `sweeps confirm`."""
    about = "Train the best settings of a sweep again on fresh seeds, and score them on fresh latents and images."
    more = "KEY=VALUE is added to the sweep's own command, as in confirm.top=3 confirm.seeds=10 launcher.jobs=2."
    made = Parser("python -m sweeps confirm", f"{about}\n\n{more}", ANY, [STORE])
    made.positional("sweep", "its name or a prefix of it", None, sweep_names)
    return _accept(made)


def clean() -> Parser:
    """The arguments of `sweeps clean`."""
    about = (
        "List what killed processes left: temporary files, half-made folders, locks, process files; --yes removes it."
    )
    made = Parser("python -m sweeps clean", about, ["store"], [STORE])
    made.add_argument(
        "--report", action="append", default=[], metavar="FOLDER", help="also clean this report's folder; repeatable"
    )
    made.add_argument("--yes", action="store_true", help="remove what is listed")
    return made


def export() -> Parser:
    """The arguments of `sweeps export`."""
    about = (
        "Write the runs that have ended as one table with a data sheet: configurations, scores by step, protocols, "
        "costs, machines. No weights, paths, host names."
    )
    made = _sweep(Parser("python -m sweeps export", about, ["store"]), "all runs of the store")
    made.add_argument("--out", metavar="FOLDER", default=".", help="where to write it (default: here)")
    made.add_argument("--name", help="what its name begins with (default: the sweep's, or the store's)")
    made.add_argument(
        "--format", choices=("csv.gz", "csv", "parquet"), default="csv.gz", help="of the table (default: %(default)s)"
    )
    return made


def take() -> Parser:
    """The arguments of `sweeps import`."""
    about = (
        "Check that each run of a table is what its id says, and add the runs to a store. Nothing is added if one does "
        "not match; runs that the store has are left as they are."
    )
    made = Parser("python -m sweeps import", about, ["store"])
    made.add_argument("file", metavar="FILE", help="a table of python -m sweeps export")
    return made


def completion() -> Parser:
    """The arguments of `sweeps completion`."""
    about = """Print a script that makes a shell complete these commands, as scripts and as python -m.

  eval "$(python -m sweeps completion bash)"      for this shell; in ~/.bashrc for each"""
    made = Parser("python -m sweeps completion", about)
    made.add_argument("shell", choices=("bash",), help="which shell")
    return made


def _keys_help() -> str:
    from sweeps.cli.key_help import key_help

    return key_help()


def _multirun(made: Parser) -> None:
    made.add_argument("-m", "--multirun", action="store_true", help="a grid: a run for each combination of values")


def _sweep(made: Parser, otherwise: str = "the only one of the store") -> Parser:
    made.positional("sweep", f"its name or a prefix of it (default: {otherwise})", "?", sweep_names)
    return made


def _accept(made: Parser) -> Parser:
    made.add_argument(
        ACCEPT_SETUP,
        action="store_true",
        help="accept launcher.setup and launcher.extra from files of the store that others can write",
    )
    return made


COMMANDS = {
    "sweep": Command(sweep, "sweeps.cli.sweep:main"),
    "evaluate": Command(evaluate, "sweeps.cli.evaluate:main"),
    "prefetch": Command(prefetch, "sweeps.cli.prefetch:main"),
}
VERBS = {
    "plan": Command(
        plan, "sweeps.cli.plan:plan", "[-m] KEY=VALUE ...", "count a command's runs; estimate hours and cost"
    ),
    "race": Command(race, "sweeps.cli.race:race", "[-m] KEY=VALUE ...", "find the best point of a grid with few runs"),
    "status": Command(
        status, "sweeps.cli.status:status", "[SWEEP]", "runs by cell and state, newest scores, lost or failed runs"
    ),
    "watch": Command(watch, "sweeps.cli.watch:watch", "[SWEEP]", "show a sweep live until it is finished"),
    "wait": Command(
        wait, "sweeps.cli.wait:wait", "[SWEEP]", "wait until a sweep is finished: exit code 0, or 1 with failures"
    ),
    "logs": Command(logs, "sweeps.cli.logs:logs", "RUN", "the end of a run's log, and of its job's log on a cluster"),
    "submit": Command(submit, "sweeps.cli.resubmit:submit", "[SWEEP]", "submit the rest of a sweep to the cluster"),
    "retry": Command(retry, "sweeps.cli.resubmit:retry", "[SWEEP]", "train failed, stopped or lost runs again"),
    "confirm": Command(confirm, "sweeps.cli.confirm:confirm", "SWEEP", "train its best settings again, on fresh seeds"),
    "clean": Command(
        clean, "sweeps.cli.clean:clean", "", "list what killed processes left in the store; --yes removes it"
    ),
    "export": Command(
        export, "sweeps.cli.export:export", "[SWEEP]", "write runs as one table to share, without weights"
    ),
    "import": Command(take, "sweeps.cli.export:take", "FILE", "check such a table, and add its runs to a store"),
    "cancel": Command(cancel, "sweeps.cli.cancel:cancel", "[SWEEP]", "stop a sweep; its runs are saved"),
    "completion": Command(
        completion, "sweeps.cli.completion:completion", "SHELL", "print a script for shell completion"
    ),
}
