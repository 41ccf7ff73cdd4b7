"""A store as tidy frames: one row per run and protocol, and one row per evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading.cache import gc_disabled, read_records
from analysis.loading.protocols import with_features
from analysis.loading.races import read_races
from analysis.loading.read_run import OF_TRAINING, SCORES, Record, Rows, number
from analysis.loading.sweeps import Sweep, read_sweeps
from analysis.loading.trials import ORIGIN_COLUMNS, no_trials, origin, read_trials
from landscape.config.axes import AXES, CELL_KEYS, LUCK_KEYS, SETTING, cell_label
from landscape.scores import COLUMNS, CURVES, NUMBERS
from landscape.store import DIVERGED, DONE, STOPPED, Store
from landscape.store.protocols import EvalProtocol
from landscape.store.races import Race
from landscape.store.run_meta import Machine, RunMeta
from landscape.store.run_status import EarlyStop, RunStatus
from landscape.store.trials import GRID

SCORED = (DONE, STOPPED)  # states whose last evaluation is the run's score

OTHER_SCORES = tuple(key for key in NUMBERS if not COLUMNS[key].distance)

RUN_COLUMNS = (
    *("id", "status", "reason", *CELL_KEYS, "cell", "setting", *LUCK_KEYS),
    *(axis.name for axis in AXES if axis.enters == SETTING),
    "step",
    *("protocol", "evaluations", "fid", "fid_last", "fid_best", "fid_start", "worth", "why"),
    *OTHER_SCORES,
    *("train_s", "eval_s", "wasted_s", "device", "device_kinds", "sharing", "rule"),
    *("stopped_at", "stopped_why", "stop_cause", "pruner"),
    *("train_cpu_s", "eval_cpu_s", "superseded", "stage", "sampler", "order", "round", "sweep", "search", "alike"),
    "continues",
)
NULLABLE = (  # columns that may be None
    *("reason", "protocol", "why", "device", "rule", "stopped_why", "sampler", "sweep", "search", "alike"),
    *("superseded", "stop_cause", "pruner", "continues"),
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
    *OF_TRAINING,
    *CURVES,
    "cost",
)


@dataclass
class Collected:
    """All that analysis reads from a store.

    runs          the frame of `load`
    rows          the frame of `load_rows`
    protocols     protocol id -> full text
    meta          run id -> its meta.json
    problems      a sentence for each file that could not be read
    trials        the frame of `read_trials`
    filters       the conditions that selected these runs; empty for all runs
    configs       run id -> frozen configuration, one key per line
    file_stats    run id -> stats of its files when they were read; empty for runs of a CSV file
    sweeps        the sweeps of the store
    pooled_over   the columns that cells are pooled over (`analysis.loading.pooling`)
    warnings      run id -> its worker's warnings
    score         the key of the score that cells are compared by; None for the distance
    races         the races of the store, by name
    """

    runs: pd.DataFrame
    rows: pd.DataFrame
    protocols: dict[str, EvalProtocol]
    meta: dict[str, RunMeta]
    problems: list[str]
    trials: pd.DataFrame = field(default_factory=no_trials)
    filters: tuple[str, ...] = ()
    configs: dict[str, str] = field(default_factory=dict)
    file_stats: dict[str, Any] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    pooled_over: tuple[str, ...] = ()
    warnings: dict[str, list[str]] = field(default_factory=dict)
    score: str | None = None
    races: dict[str, Race] = field(default_factory=dict)


def load(store: Store | str | Path) -> pd.DataFrame:
    """The runs of `store`: one row per run and protocol; a run without evaluations has one row, its protocol None.

    Corrupt files raise nothing: `frame.attrs["problems"]` lists them, one sentence each. A run without a readable
    config.yaml is left out; one without a readable status.json has the status "unreadable" and no score.

    id            the run's folder
    status        a state of `landscape.store.STATES`, or "unreadable"
    reason        why it failed or diverged, else None
    data, arch, algorithm, loss, penalty, norm, conditional, lens, batch, minibatch, symmetric, pack, penalty_g, n_dis
                  the cell, named as in the frozen config ("none" for no penalty or normalizer); conditional and
                  symmetric are "true" or "false"; pack is images that D judges together, n_dis D updates per G update
    cell          the label of algorithm (except GAN), loss, regularization and n_dis ("NS GP", "WGAN SN", "LS W/O",
                  "WGAN GP 5")
    setting       hash of all that determines training, except seed and repeat
    seed, repeat  as configured
    optim         the optimizer
    lr_d, lr_g, beta1, beta2, strength, strength_g, width
                  hyperparameters; NaN if the run does not use one
    penalty_every D updates from one penalty to the next
    batch_size    images per D update
    steps, step   D updates requested, D updates done
    protocol      id of the protocol of this row's scores, or None
    evaluations   number of evaluations under it
    fid           the distance (FID, or the Fréchet distance on the protocol's extractor, which files of a report call
                  `fd_classifier` or the like) at the last evaluation of a done or stopped run; NaN for other runs
    fid_last      the same, whatever the status
    fid_best      the lowest over all evaluations; optimistic, the more so the more evaluations there are
    fid_start     at step 0, of the untrained generator; NaN if it was not evaluated
    worth         the value in budget curves: `fid`; infinite if the run diverged or `fid` is not finite; NaN without a
                  result, or if the run failed or is superseded
    why           the reason for a score that is not finite, else None
    is, is_std, kid, kid_std, ms_ssim, diversity, modes, quality
                  at the last evaluation of a done or stopped run; is_std and kid_std are over splits and subsets, not
                  over runs; diversity is 1 - ms_ssim; modes (number covered) and quality (share of high-quality
                  samples, 0 to 1) are of 2-D points
    fd_infinity, fd_infinity_se, mind, mmd2
                  for few images: the distance extrapolated to infinitely many, with the standard error of its line; the
                  sliced Wasserstein distance; the squared MMD
    intra_fd, ms_ssim_classes, class_accuracy
                  within the classes that a conditional generator was asked for: the mean distance, MS-SSIM, and the
                  share of samples that the classifier takes for that class
    prd_f8, prd_f1_8
                  F scores of precision and recall of distributions, 0 to 1; at the last evaluation, as all that follow
    coverage, density, vendi
                  share of real neighborhoods that samples reach, samples per neighborhood, and the Vendi score
    d_acc_train, d_acc_test, d_acc_fake, d_logit_train, d_logit_test, d_logit_fake, d_loss_train, d_loss_test
                  D on training, test and fake images: accuracy (0 to 1), mean logit, mean loss
    log_condition, log_condition_std, latent_rank
                  generator conditioning: natural log of the condition number of J^T J, mean and standard deviation
                  over latents, and the number of latent directions it is over
    geometry      geometry score against the real images, 0 to 2
    duplicates, support, support_low
                  pairs of near-equal samples, the support size that they imply, and its 95 % lower bound
    nn_distance, nn_ratio, nn_nearer
                  nearest training images of samples: median distance; its ratio to the distance from the nearest of
                  as many test images; chance that a training image is nearer than a test image
    train_s, eval_s, wasted_s
                  seconds of training, of evaluation, and lost to interruptions; of the run, not of the row
    train_cpu_s, eval_cpu_s
                  CPU seconds of all its processes; NaN for GPU runs and where not on record
    device        GPU or CPU model of its last machine ("2 x ..." for two at once), with the number of CPU threads if
                  that is not 1; or None
    device_kinds  number of kinds of device it was on; 0 if not on record
    sharing       runs its launcher put on one GPU or core, the most on any machine; 0 if not on record
    rule          its early-stopping rule ("stop.factor=3 stop.evaluations=3"), else None
    stopped_at, stopped_why
                  D updates and reason when it was first stopped early, even if it was resumed since
    stop_cause, pruner
                  "collapsed", "saturated" or "pruned", and the pruner's name: of the newest stop if it is stopped, of
                  the first if it was resumed; else None
    superseded    the choices whose meaning has changed since it was trained ("arch.g_spectral before 2026-11-25", from
                  `landscape.config.versions`), which leaves it out of all comparisons; else None
    stage         "search", "confirm", or "grid" for all other runs
    sampler       the sampler that proposed it ("gp", "tpe", "random", "qmc"), else None
    order, round  its place in the search, and its round if there were rounds; else NaN
    sweep         the sweep of that search, else None
    search        the id of that search (one per cell of the sweep), else None
    alike         equal for searches that differ in `search.seed` alone, else None
    continues     the shorter run that it continues, whose steps and seconds are among its own, else None
    """
    return collect(store).runs


def load_rows(store: Store | str | Path) -> pd.DataFrame:
    """The learning curves: one row per evaluation, columns `ROW_COLUMNS`; problems as in `load`.

    `step` counts D updates, `images` real images shown, `train_s` seconds of training so far; `loss_d` is D's loss,
    `critic` its estimate of how far fakes are from real images, `saturated` the share of D's weights at the clip.
    A score is NaN if it was not finite or not requested. `spectrum` (log10 eigenvalues of the mean J^T J, descending),
    `mrlt` and `closest_pairs` are lists, or NaN; `cost` maps a score's name to its seconds.
    """
    return collect(store).rows


def collect(store: Store | str | Path, pool: Executor | None = None) -> Collected:
    """Read the whole store. Unchanged runs come from the cache; the processes of `pool`, if given, read the others."""
    store = store if isinstance(store, Store) else Store(store)
    problems: list[str] = []
    with gc_disabled():
        return _collect(store, problems, read_records(store, problems, pool))


def _collect(store: Store, problems: list[str], records: list[Record]) -> Collected:
    runs = pd.DataFrame([row for record in records for row in _run_rows(record)], columns=list(RUN_COLUMNS))
    rows = _curves(records)
    trials, sweeps = read_trials(store, problems), read_sweeps(store, problems)
    runs = runs.drop(columns=list(ORIGIN_COLUMNS)).merge(origin(trials), "left", on="id")
    runs["stage"] = runs["stage"].astype(object).where(runs["stage"].notna(), GRID)
    runs = runs[list(RUN_COLUMNS)]
    # Some pandas versions turn a column that is all None into NaN.
    for frame, names in ((runs, NULLABLE), (rows, ("protocol",))):
        for name in names:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
        frame.attrs["problems"] = list(problems)
    protocols: dict[str, EvalProtocol] = {}
    for record in records:
        for name, text in record.protocols.items():
            text = with_features(text, record.status.warnings)
            protocols[name] = _together(protocols[name], text) if name in protocols else text
    meta, configs, file_stats = (
        {record.id: getattr(record, key) for record in records} for key in ("meta", "config", "file_stats")
    )
    warnings = {record.id: list(texts) for record in records if (texts := record.status.warnings)}
    races = read_races(store, problems)
    return Collected(
        *(runs, rows, protocols, meta, problems, trials, (), configs, file_stats, sweeps),
        warnings=warnings,
        races=races,
    )


def _together(one: EvalProtocol, other: EvalProtocol) -> EvalProtocol:
    """The union of two texts of one protocol: an older version, or a run with fewer scores, has fewer keys."""
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
        "continues": None if record.meta.continues is None else record.meta.continues.run,
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
    """stopped_at, stopped_why, stop_cause and pruner of a run, as in `load`."""
    stops = status.stops
    if not stops and status.state == STOPPED:  # an old store
        stops = (EarlyStop.from_json({"step": status.step, "reason": status.reason or ""}, "status.json"),)
    if not stops:
        return {"stopped_at": math.nan, "stopped_why": None, "stop_cause": None, "pruner": None}
    told = stops[-1 if status.state == STOPPED else 0]
    found = {"stopped_at": stops[0].step, "stopped_why": stops[0].reason}
    return found | {"stop_cause": told.known_cause, "pruner": told.pruner}


def _of(rows: Rows, name: str) -> Rows:
    """The evaluations under one protocol, sorted by step."""
    wanted = [i for i, other in enumerate(rows["protocol"]) if other == name]
    wanted.sort(key=rows["step"].__getitem__)
    if wanted == list(range(len(rows["step"]))):
        return rows
    return {key: [values[i] for i in wanted] for key, values in rows.items()}


def _scores(facts: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """The score columns of one run under one protocol, from its evaluations sorted by step."""
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
        **{key: _score(key, shown) for key in OTHER_SCORES},
    }


def _score(key: str, shown: Mapping[str, Any]) -> float:
    source = COLUMNS[key].one_minus
    return float(shown.get(key, math.nan) if source is None else 1 - shown.get(source, math.nan))


def _curves(records: list[Record]) -> pd.DataFrame:
    """The frame of `load_rows`, built column by column, which is fast for hundreds of thousands of rows."""
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
    """The device as in the column `device` of `load`."""
    name, threads, count = machine.gpu or machine.cpu, machine.threads, machine.world_size
    if name is None:
        return None
    several = "" if machine.gpu or threads in (None, 1) else f", {threads} threads"
    return f"{name}{several}" if count in (None, 1) else f"{count} x {name}{several}"


def _cpu_seconds(status: RunStatus, busy: float | None, machines: tuple[Machine, ...]) -> float:
    """CPU seconds of one kind: NaN for a GPU run, 0 for a run that has not begun."""
    if any(machine.gpu for machine in machines):
        return math.nan
    return number(busy) if status.train_s or status.eval_s else 0.0


def _sharing(counts: list[int]) -> int:
    """The most runs on one device; 0 (unknown) if that is 1 but some machine has no record."""
    return max(counts) if max(counts) > 1 else min(counts)
