"""The store as tidy frames: one row a run and protocol, and one row an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading.cache import no_collector, read_records
from analysis.loading.protocols import with_features
from analysis.loading.read_run import SCORES, Record, Rows, number
from analysis.loading.sweeps import Sweep, read_sweeps
from analysis.loading.trials import ORIGIN, no_trials, origin, read_trials
from landscape.config.axes import AXES, CELL_KEYS, LUCK_KEYS, SETTING, cell_label
from landscape.scores import COLUMNS, CURVES, NUMBERS
from landscape.store import DIVERGED, DONE, STOPPED, Store
from landscape.store.protocols import EvalProtocol
from landscape.store.run_meta import Machine, RunMeta
from landscape.store.run_status import EarlyStop, RunStatus
from landscape.store.trials import GRID

SCORED = (DONE, STOPPED)  # states whose last evaluation is the run's score

OTHERS = tuple(key for key in NUMBERS if not COLUMNS[key].distance)  # scores beside the distance

RUN_COLUMNS = (
    *("id", "status", "reason", *CELL_KEYS, "cell", "setting", *LUCK_KEYS),
    *(axis.name for axis in AXES if axis.enters == SETTING),
    "step",
    *("protocol", "evaluations", "fid", "fid_last", "fid_best", "fid_start", "worth", "why"),
    *OTHERS,
    *("train_s", "eval_s", "wasted_s", "device", "device_kinds", "sharing", "rule"),
    *("stopped_at", "stopped_why", "stop_cause", "pruner"),
    *("train_cpu_s", "eval_cpu_s", "superseded", "stage", "sampler", "order", "round", "sweep", "search", "alike"),
)
TEXTS = (  # columns that may be None
    *("reason", "protocol", "why", "device", "rule", "stopped_why", "sampler", "sweep", "search", "alike"),
    *("superseded", "stop_cause", "pruner"),
    *(axis.name for axis in AXES if axis.enters == SETTING and axis.kind is str),
)
ROW_COLUMNS = (
    "id",
    "status",
    *CELL_KEYS,
    "cell",
    "setting",
    *LUCK_KEYS,
    "protocol",
    "step",
    "images",
    *SCORES,
    "train_s",
    "loss_d",
    *CURVES,
    "cost",
)


@dataclass
class Collected:
    """All that analysis takes from a store.

    runs: the frame of `load`; rows: the frame of `load_rows`; protocols: id -> full text; meta: run id -> command,
    overrides, sweep, planned and machines, from meta.json; problems: a sentence for each file that could not be read;
    trials: the frame of `read_trials`; narrowed: the conditions that these runs were picked by, where they are not all;
    configs: run id -> its frozen configuration, a key a line; looks: run id -> what its files looked like when they
    were read; sweeps: those of the store; pooled: what cells are pooled over (`analysis.loading.pooling`);
    warnings: run id -> what its worker warned of.
    """

    runs: pd.DataFrame
    rows: pd.DataFrame
    protocols: dict[str, EvalProtocol]
    meta: dict[str, RunMeta]
    problems: list[str]
    trials: pd.DataFrame = field(default_factory=no_trials)
    narrowed: tuple[str, ...] = ()
    configs: dict[str, str] = field(default_factory=dict)
    looks: dict[str, Any] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    pooled: tuple[str, ...] = ()
    warnings: dict[str, list[str]] = field(default_factory=dict)


def load(store: Store | str | Path) -> pd.DataFrame:
    """The runs of `store`: one row a run and protocol; a run without evaluations has one row, its protocol None.

    Never raises for what a file of the store holds: `frame.attrs["problems"]` lists, a sentence each, the files that
    could not be read. A run without a readable config.yaml is left out; one without a readable status.json has the
    status "unreadable" and no score.

    id            the run's folder
    status        a state of `landscape.store.STATES`, or "unreadable"
    reason        why it failed or diverged, else None
    data, arch, algorithm, loss, penalty, norm, n_dis
                  the cell: names as in the frozen config, "none" where there is none; n_dis in D updates a G update
    cell          the label of algorithm (but GAN), loss, regularization and n_dis ("NS GP", "WGAN SN", "LS W/O",
                  "WGAN GP 5")
    setting       hash of all that determines training, seed and repeat apart
    seed, repeat  as configured
    optim         the optimizer
    lr_d, lr_g, beta1, beta2, strength, width
                  hyperparameters; NaN where the run does not use one
    batch_size, steps, step
                  images a D update; D updates asked for; D updates done
    protocol      id of the protocol of the scores in this row, or None
    evaluations   how many evaluations there are under it
    fid           the distance, on the extractor of its protocol (files of a report name it by that: `fd_classifier`):
                  that of the last evaluation, of a run that is done or stopped; NaN for any other
    fid_last      that of the last evaluation, whatever the state
    fid_best      the lowest over all evaluations: it flatters, and more so the more often one evaluates
    fid_start     that of the evaluation at step 0, of the untrained generator; NaN where there was none
    worth         what budget curves take the run for: `fid`, infinity where it diverged or its last distance is
                  not finite, NaN where there is no result yet, it failed, is superseded, or the distance was not asked
                  for
    why           the reason for a score that is not finite, else None
    is, is_std, kid, kid_std, ms_ssim, diversity, modes, quality
                  of the last evaluation of a run that is done or stopped; the two deviations are over splits and
                  subsets, not over runs; diversity is 1 - ms_ssim; modes and quality (number covered, share of good
                  samples) are those of points
    prd_f8, prd_f1_8
                  of the last evaluation, as all down to nn_nearer: recall and precision of distributions
    d_acc_train, d_acc_test, d_acc_fake, d_logit_train, d_logit_test, d_logit_fake, d_loss_train, d_loss_test
                  D on training, test and fake images: share it gets right, mean logit, mean loss
    log_condition, log_condition_std, latent_rank
                  generator conditioning: natural log of the condition number of J^T J, mean and deviation over
                  latents, and how many directions it is over
    geometry      geometry score against the real images, 0 to 2
    duplicates, support, support_low
                  pairs of near-equal samples, the support that they imply, and its 95 % lower bound
    nn_distance, nn_ratio, nn_nearer
                  nearest training images of samples: median distance; that to as many training as test images over
                  that to test images; chance to be nearer than a test image is
    train_s, eval_s, wasted_s
                  seconds of training, of evaluation, and thrown away by interruptions; of the run, not of the row
    train_cpu_s, eval_cpu_s
                  CPU seconds of all its processes, which do not grow with the load of the machine; NaN where it was on
                  a GPU, or they are not on record
    device        GPU or CPU model of the last machine it was on ("2 x ..." for two at once), with the threads of a
                  CPU where they are not 1, or None
    device_kinds  how many kinds of device it was on, 0 where that is not on record
    sharing       how many runs its launcher put on one GPU or core, the most on any machine; 0 where not on record
    rule          the rules to stop by that were frozen with it ("stop.factor=3 stop.evaluations=3"), else None
    stopped_at, stopped_why
                  D updates and reason when it was first stopped early, also where it was taken up again since
    stop_cause, pruner
                  why as data: "collapsed", "saturated" or "pruned", and which pruner; of the newest stop where it is
                  stopped, of the first where it was taken up again; else None
    superseded    the choices whose meaning has changed since it was trained ("arch.g_spectral before 2026-11-25"), by
                  `landscape.config.versions`, else None: it is in no comparison
    stage         "grid" (also where no search knows of the run), "search", or "confirm": trained to confirm a choice
    sampler       what proposed it in a search ("gp", "tpe", "random", "qmc"), else None
    order, round  its place in the search, and the round of it where there were rounds; NaN elsewhere
    sweep         the sweep that the stage is of, else None
    search        the search of that sweep, a cell each, that proposed it, else None
    alike         equal for searches that differ in `search.seed` alone, else None
    """
    return collect(store).runs


def load_rows(store: Store | str | Path) -> pd.DataFrame:
    """The learning curves: one row an evaluation, columns `ROW_COLUMNS`; problems as in `load`.

    `step` counts D updates, `images` real images shown, `train_s` seconds of training up to then; `loss_d` is D's
    loss. A score is NaN where it was not finite or not asked for. `spectrum` (log10 eigenvalues of the mean J^T J,
    descending), `mrlt` and `closest_pairs` are lists, NaN where not asked for; `cost` maps a score's name to its
    seconds.
    """
    return collect(store).rows


def collect(store: Store | str | Path, pool: Executor | None = None) -> Collected:
    """Read the whole store once; see `Collected`. Runs that are as when they were last read come from the cache."""
    store = store if isinstance(store, Store) else Store(store)
    problems: list[str] = []
    with no_collector():
        return _collect(store, problems, read_records(store, problems, pool))


def _collect(store: Store, problems: list[str], records: list[Record]) -> Collected:
    runs = pd.DataFrame([row for record in records for row in _run_rows(record)], columns=list(RUN_COLUMNS))
    rows = _curves(records)
    trials, sweeps = read_trials(store, problems), read_sweeps(store, problems)
    runs = runs.drop(columns=list(ORIGIN)).merge(origin(trials), "left", on="id")
    runs["stage"] = runs["stage"].astype(object).where(runs["stage"].notna(), GRID)
    runs = runs[list(RUN_COLUMNS)]
    # A column of reasons that are all None would become NaN in some pandas versions: None stays None.
    for frame, names in ((runs, TEXTS), (rows, ("protocol",))):
        for name in names:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
        frame.attrs["problems"] = list(problems)
    protocols: dict[str, EvalProtocol] = {}
    for record in records:
        for name, text in record.protocols.items():
            text = with_features(text, record.status.warnings)
            protocols[name] = _together(protocols[name], text) if name in protocols else text
    meta, configs, looks = (
        {record.id: getattr(record, key) for record in records} for key in ("meta", "config", "looks")
    )
    warnings = {record.id: list(texts) for record in records if (texts := record.status.warnings)}
    return Collected(runs, rows, protocols, meta, problems, trials, (), configs, looks, sweeps, warnings=warnings)


def _together(one: EvalProtocol, other: EvalProtocol) -> EvalProtocol:
    """Two texts of one protocol: of real images, one written for fewer scores, or by an older version, says less."""
    if one == other:
        return one
    said = [{key: value for key, value in text.to_json().items() if value is not None} for text in (one, other)]
    floor = {**(one.floor or {}), **(other.floor or {})}
    return replace(EvalProtocol.from_json(said[0] | said[1], "a protocol"), floor=floor or None)


def _facts(record: Record) -> dict[str, Any]:
    facts = {"id": record.id, "status": record.status.state, **record.facts}
    return facts | {"cell": cell_label(facts)}


def _run_rows(record: Record) -> list[dict[str, Any]]:
    """The rows of one run in the frame of `load`."""
    status, machines = record.status, record.meta.machines or (Machine(),)
    facts = _facts(record) | {
        "reason": status.reason,
        "step": status.step,
        "train_s": status.train_s or 0.0,
        "eval_s": status.eval_s or 0.0,
        "wasted_s": status.wasted_s,
        "train_cpu_s": _cpu_seconds(status, status.train_busy_s, machines),
        "eval_cpu_s": _cpu_seconds(status, status.eval_busy_s, machines),
        **_stops(status),
        "device": _device(machines[-1]),
        "device_kinds": len({_device(machine) for machine in machines} - {None}),
        "sharing": _sharing([machine.sharing or 0 for machine in machines]),
    }
    names = list(dict.fromkeys(record.rows.get("protocol", [])))
    if not names:
        return [facts | _scores(facts, {}) | {"protocol": None}]
    return [facts | _scores(facts, _of(record.rows, name)) | {"protocol": name} for name in names]


def _stops(status: RunStatus) -> dict[str, Any]:
    """When and why the run was first stopped early, and the cause: of the newest stop where it is stopped."""
    stops = status.stops
    if not stops and status.state == STOPPED:  # a store from before this was kept
        stops = (EarlyStop.from_json({"step": status.step, "reason": status.reason or ""}, "status.json"),)
    if not stops:
        return {"stopped_at": math.nan, "stopped_why": None, "stop_cause": None, "pruner": None}
    told = stops[-1 if status.state == STOPPED else 0]
    found = {"stopped_at": stops[0].step, "stopped_why": stops[0].reason}
    return found | {"stop_cause": told.known_cause, "pruner": told.pruner}


def _of(rows: Rows, name: str) -> Rows:
    """The evaluations under one protocol, by step."""
    wanted = [i for i, other in enumerate(rows["protocol"]) if other == name]
    wanted.sort(key=rows["step"].__getitem__)
    if wanted == list(range(len(rows["step"]))):
        return rows
    return {key: [values[i] for i in wanted] for key, values in rows.items()}


def _scores(facts: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """The scores of one run under one protocol, from its evaluations by step."""
    status = facts["status"]
    steps, every = rows.get("step", []), rows.get("fid", [])
    last = {key: values[-1] for key, values in rows.items() if values[-1] is not None}
    shown = last if status in SCORED else {}
    fid = shown.get("fid", math.nan)
    broken = status == DIVERGED or (status in SCORED and "fid" in last and not math.isfinite(fid))
    why = "; ".join(dict.fromkeys(last.get("why", {}).values()))
    return {
        "evaluations": len(steps),
        "fid": fid,
        "fid_last": last.get("fid", math.nan),
        "fid_best": min((fid for fid in every if fid is not None and math.isfinite(fid)), default=math.nan),
        "fid_start": every[0] if every and steps[0] == 0 and every[0] is not None else math.nan,
        "worth": math.nan if facts["superseded"] else math.inf if broken else fid,
        "why": why or None,
        **{key: _score(key, shown) for key in OTHERS},
    }


def _score(key: str, shown: Mapping[str, Any]) -> float:
    source = COLUMNS[key].one_minus
    return float(shown.get(key, math.nan) if source is None else 1 - shown.get(source, math.nan))


def _curves(records: list[Record]) -> pd.DataFrame:
    """The frame of `load_rows`, column by column: a study has some hundred thousand rows."""
    counts = [len(record.rows.get("step", [])) for record in records]
    facts = pd.DataFrame(map(_facts, records)) if records else pd.DataFrame(columns=list(ROW_COLUMNS))
    present = {key for record in records for key in record.rows}
    columns: dict[str, Any] = {}
    for key in ROW_COLUMNS:
        if key in facts:
            columns[key] = np.repeat(facts[key].to_numpy(), counts)
        elif key in present:
            values: list[Any] = []
            for record, count in zip(records, counts, strict=True):
                values += record.rows.get(key) or [None] * count
            if key in ("cost", *CURVES):
                columns[key] = [math.nan if value is None else value for value in values]
            else:
                columns[key] = values if key in ("protocol", "step") else np.array(values, float)  # None becomes NaN
        else:
            columns[key] = np.full(sum(counts), math.nan)
    return pd.DataFrame(columns, columns=list(ROW_COLUMNS))


def _device(machine: Machine) -> str | None:
    """What a run trained on, as far as its seconds depend on it; None where that is not on record."""
    name, threads, count = machine.gpu or machine.cpu, machine.threads, machine.world_size
    if name is None:
        return None
    several = "" if machine.gpu or threads in (None, 1) else f", {threads} threads"
    return f"{name}{several}" if count in (None, 1) else f"{count} x {name}{several}"


def _cpu_seconds(status: RunStatus, busy: float | None, machines: tuple[Machine, ...]) -> float:
    """CPU seconds of one kind; none were worked where nothing was begun."""
    if any(machine.gpu for machine in machines):
        return math.nan
    return number(busy) if status.train_s or status.eval_s else 0.0


def _sharing(counts: list[int]) -> int:
    """The most; where that is one run, it had every device to itself only if that is on record for all."""
    return max(counts) if max(counts) > 1 else min(counts)
