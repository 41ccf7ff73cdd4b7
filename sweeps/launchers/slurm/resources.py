"""The resources that each run's job requests: the launcher's keys, changed by matching rules of `launcher.classes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.config.errors import UserError, nearest
from landscape.config.keys import SELECTORS, keys
from landscape.config.validation import check_ranges
from landscape.ranges import gigabytes, minutes
from landscape.store.jobs import Resources

KEYS = (
    "partition", "account", "qos", "time", "memory", "cores", "gpus", "constraint",
    "setup", "extra", "runs_per_job", "at_once", "parallel", "signal_s",
)  # fmt: skip
AUTO = "auto"  # of launcher.at_once
LISTS = ("setup", "extra")
BY_GROUP = {group: key for key, group in SELECTORS.items() if key != "reg.norm"}  # loss: loss.kind, reg: reg.penalty
RESERVED_OPTIONS: tuple[str, ...] = (
    "array",
    "output",
    "error",
    "signal",
    "comment",
    "job-name",
    "parsable",
    "wrap",
    "requeue",
    "no-requeue",
)
RESERVED_OPTIONS += ("time", "open-mode", "test-only", "nodes", "ntasks", "ntasks-per-node", "export")


class ResourceRules:
    """The `launcher` keys of a command with its `launcher.classes`; raises `UserError` for invalid ones.

    With `one_run_per_job` they are for search workers, which train one run at a time.
    """

    def __init__(self, launcher: Mapping[str, Any], one_run_per_job: bool = False) -> None:
        self.launcher, self.one_run_per_job = launcher, one_run_per_job
        self.rules: list[tuple[dict[str, list[Any]], dict[str, Any]]] = []
        for rule in launcher.get("classes") or []:
            self.rules.append(_parse_rule(rule))
        for given in [launcher, *(given for _, given in self.rules)]:
            _check_options(given)
        self.known: dict[tuple[Any, ...], Resources] = {}

    @property
    def shell_lines(self) -> list[str]:
        """The `Resources.shell_lines` of all its jobs."""
        givens = [self.launcher, *(given for _, given in self.rules)]
        return [line for given in givens for key in LISTS for line in given.get(key) or []]

    def of(self, config: dict[str, Any]) -> Resources:
        """The resources of the job of a run with this configuration; the last matching rule wins."""
        fitting = [i for i, (when, _) in enumerate(self.rules) if all(_at(config, k) in v for k, v in when.items())]
        execution = (config["threads"], config["train"].get("world_size") or 1, config["device"])
        key = (*fitting, *execution)
        if key not in self.known:
            given = dict(self.launcher)
            for i in fitting:
                given |= self.rules[i][1]
            if self.one_run_per_job:
                given |= {"runs_per_job": 1, "at_once": 1}
            self.known[key] = _resources(given, *execution)
        return self.known[key]


def _at(config: dict[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _parse_rule(rule: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    if not isinstance(rule, dict) or not isinstance(rule.get("when"), dict) or not rule["when"]:
        raise UserError(
            f"launcher.classes: {rule} is not a rule; write {{when: {{KEY: VALUE}}, memory: 32G}} with one or more of "
            + ", ".join(KEYS)
        )
    when: dict[str, list[Any]] = {}
    for key, value in rule["when"].items():
        name = BY_GROUP.get(key, key)
        if name not in keys():
            near = nearest(key, [*sorted(keys()), *BY_GROUP])
            raise UserError(f"launcher.classes: {key} is not a configuration key{near}; --cfg job lists all of them")
        when[name] = value if isinstance(value, list) else [value]
    given = {key: value for key, value in rule.items() if key != "when"}
    for key in given:
        if key not in KEYS:
            raise UserError(f"launcher.classes: {key} is not a resource{nearest(key, KEYS)}; legal: {', '.join(KEYS)}")
    for key in ("time", "memory"):
        if given.get(key) is not None:
            given[key] = str(given[key])
    for key in ("cores", "gpus", "runs_per_job", "at_once", "parallel", "signal_s"):
        if given.get(key) is not None and type(given[key]) is not int and (key, given[key]) != ("at_once", AUTO):
            raise UserError(f"launcher.classes: {key}={given[key]} is not a whole number")
    for key in LISTS:
        if key in given and not (isinstance(given[key], list) and all(isinstance(x, str) for x in given[key])):
            raise UserError(f"launcher.classes: {key}={given[key]} is not a list of strings")
    check_ranges({f"launcher.{key}": value for key, value in given.items()})
    return when, given


def _check_options(given: Mapping[str, Any]) -> None:
    for key in ("partition", "account", "qos", "constraint", "extra"):
        value = given.get(key)
        if not all(str(text).isprintable() for text in (value if isinstance(value, list) else [value])):
            raise UserError(f"launcher.{key}={value!r} must be one line without control characters")
    for option in given.get("extra") or []:
        name = option.removeprefix("--").partition("=")[0]
        if not option.startswith("--") or not name:
            raise UserError(f"launcher.extra: {option} is not an option of sbatch; write --NAME=VALUE or --NAME")
        if name in RESERVED_OPTIONS:
            raise UserError(f"launcher.extra: --{name} is set by this program and must not be given")


def _resources(given: dict[str, Any], threads: int, ranks: int, device: str) -> Resources:
    for key in ("time", "signal_s"):
        if given[key] is None:
            raise UserError(f"launcher.{key} must be given")
    limit = minutes(given["time"])
    assert limit is not None
    if device.startswith("cuda:"):
        raise UserError(f"device={device} names a GPU of one machine; with launcher=slurm use device=cuda")
    auto = given["at_once"] == AUTO
    if auto and not (given["cores"] and given["runs_per_job"]):
        raise UserError(
            "launcher.at_once=auto needs launcher.cores and launcher.runs_per_job, up to which it packs a job"
        )
    at_once = min(given["runs_per_job"], given["cores"] // (threads * ranks) or 1) if auto else given["at_once"] or 1
    per_job = max(given["runs_per_job"] or 1, at_once)
    gpus = given["gpus"] or 0
    if device != "cpu" and (gpus or ranks > 1 or device.startswith("cuda")):
        gpus = max(gpus, ranks)  # concurrent runs share GPUs, the ranks of one run do not
    cores = given["cores"] or threads * ranks * at_once
    if threads > cores:
        raise UserError(f"threads={threads} is out of range; legal: up to launcher.cores={cores}")
    return Resources(
        partition=given["partition"],
        account=given["account"],
        qos=given["qos"],
        time=limit,
        memory=None if given["memory"] is None else gigabytes(given["memory"]),
        cores=cores,
        gpus=gpus,
        constraint=given["constraint"],
        setup=tuple(given["setup"] or ()),
        extra=tuple(given["extra"] or ()),
        runs_per_job=per_job,
        at_once=at_once,
        auto=auto,
        parallel=given["parallel"],
        signal_s=given["signal_s"],
    )
