"""Every kind of file of a store spoilt in every way, and every command on it: a sentence, never a traceback or a hang.

`status` and one command in turn try each of them; the other commands do in `make test-all`.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from bombs import bomb
from synthetic import add_run, add_sweep, config

from analysis.loading.runs import collect
from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import run_id
from landscape.store import RunFolder, Store
from landscape.store.leases import claim_in_force, newest_claim
from landscape.store.lookup import find_run
from landscape.store.processes import machine, myself, process_start
from landscape.store.races import Asked, Contender, Race, Ticket
from landscape.training import checkpoint
from sweeps import __main__ as doors
from sweeps.planning.describe import describe
from sweeps.planning.freeze import freeze_run
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, Planned
from sweeps.race.answer import answer
from sweeps.race.claim import claim_of
from sweeps.race.question import Question

NAME = "demo-0123456789abcdef"


def made(root: Path) -> Store:
    """A store of two runs, one done and one under way, and a sweep with each kind of record."""
    store = Store(root)
    done = add_run(store, [100.0, 50.0], config(seed=0))
    going = add_run(store, [100.0, 60.0], config(seed=1), "running")
    for run in (done, going):
        run.log_file.write_text("step 250: fid 50\n")
        (run.claims / "1.json").write_text(json.dumps({**machine(), "token": "t", "pid": 2**22 + 1, "started": "1"}))
        asked = {"scores": ["fid"], "seed": 7, "n_fake": 64, "real": "test", "data": "ab" * 32}
        asked |= {"extractor": "classifier", "quantise": "uint8", "generator": "raw"}
        run.request_file("a" * 16).write_text(json.dumps(asked))
    ids = [done.id, going.id]
    add_sweep(store, NAME, ["-m", "seed=0,1"], ids)
    folder = store.sweep(NAME)
    resources: dict[str, Any] = {"partition": None, "account": None, "qos": None, "time": 60, "memory": None}
    resources |= {
        "cores": 1,
        "gpus": 0,
        "constraint": None,
        "setup": [],
        "extra": [],
        "runs_per_job": 1,
        "at_once": 1,
        "parallel": None,
    }
    resources |= {"signal_s": 120}
    how = {"device": "cpu", "threads": 1}
    folder.jobs_file.write_text(
        json.dumps({"execution": how, "max_submit": None, "classes": [{"resources": resources, "runs": ids}]})
    )
    handed = {"token": "t", "user": "me", "made": "2026", "resources": resources, "execution": how, "tasks": [ids]}
    folder.submissions_file.write_text(json.dumps(handed | {"search": False}) + "\n")
    folder.controller_file.write_text(json.dumps({**machine(), "pid": 2**22 + 1, "started": "1"}))
    trial = {"run": done.id, "cell": {"loss": "ns"}, "stage": "grid", "sampler": None, "order": 0, "round": None}
    store.trials_file(NAME).write_text(json.dumps(trial | {"value": 3.9, "diverged": False, "search": None}) + "\n")
    store.search_file(NAME).write_text(json.dumps({"token": "t", "storage": "journal", "cells": []}))
    first = Asked(1, 0.05, 80)
    question = Question.of(first, 2)
    found = answer(question, [[1.0] * 20, [2.0] * 20])
    words = ["a", "b"]
    tickets = tuple(Ticket(cell, n, done.id, 1.0 + cell) for cell in (0, 1) for n in range(20))
    cells = tuple(Contender(name, 16 * name) for name in words)
    race = Race(cells, (first,), tickets, claim_of(question, found, words))
    folder.race_file.write_text(json.dumps(race.to_json()))
    worker = store.search_workers(NAME) / "here-1.json"
    worker.parent.mkdir(parents=True)
    worker.write_text(json.dumps({**machine(), "pid": 2**22 + 1, "started": "1"}))
    return store


RUN = {
    "config.yaml": lambda run: run.config_file,
    "meta.json": lambda run: run.meta_file,
    "status.json": lambda run: run.status_file,
    "metrics.jsonl": lambda run: run.metrics_file,
    "log.txt": lambda run: run.log_file,
    "protocol": lambda run: next(run.protocols.glob("*.json")),
    "request": lambda run: run.request_file("a" * 16),
    "claim": lambda run: run.claims / "1.json",
}
SWEEP = (
    "plan.json",
    "jobs.json",
    "submissions.jsonl",
    "controller.json",
    "search.json",
    "trials.jsonl",
    "race.json",
    "search/workers/here-1.json",
)


def typed_wrongly(value: object, wrong: object) -> object:
    """A record with something else in the place of each of its values but the one that names its state."""
    return dict.fromkeys(value, wrong) if isinstance(value, dict) else wrong


def changed(file: Path, wrong: object) -> None:
    lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
    try:
        found = [json.loads(line) for line in lines]
    except ValueError:
        found = [{"loss": 1, "seed": 1}]
    file.write_text("".join(json.dumps(typed_wrongly(one, wrong)) + "\n" for one in found))


def replaced(file: Path, by: Callable[[Path], object]) -> None:
    file.unlink(missing_ok=True)
    by(file)


WAYS: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(500)),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\x00\n"),
    "garbage": lambda file: file.write_text("{garbage\n"),
    "a list": lambda file: file.write_text("[1, 2]\n"),
    "no number": lambda file: file.write_text('{"status": "done", "step": NaN, "scores": {"fid": NaN}}\n'),
    "infinite": lambda file: file.write_text('{"status": "done", "step": 1e999, "pid": 1e999}\n'),
    "huge": lambda file: file.write_text('{"status": "done", "step": 1' + "0" * 400 + "}\n"),
    "deep": lambda file: file.write_text("[" * 5000 + "]" * 5000 + "\n"),
    "bomb": lambda file: file.write_text(bomb()),
    "texts": lambda file: changed(file, "x[/y]\x1b]0;z\x07"),
    "lists": lambda file: changed(file, [[1], {"a": None}]),
    "negative": lambda file: changed(file, -1),
    "zero": lambda file: changed(file, 0),
    "null": lambda file: changed(file, None),
    "FIFO": lambda file: replaced(file, os.mkfifo),
    "folder": lambda file: replaced(file, os.mkdir),
    "device": lambda file: replaced(file, lambda path: path.symlink_to("/dev/zero")),
    "link out": lambda file: replaced(file, lambda path: path.symlink_to("/etc/hostname")),
    "gone": lambda file: file.unlink(missing_ok=True),
    "endless": lambda file: (file.touch(), os.truncate(file, 1 << 42)),
}
VERBS = ("status", "status --json", "status SWEEP", "logs", "cancel", "submit", "confirm", "report", "again")


def call(verb: str, store: Store, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> int:
    """One command, in this process; what it raises is a traceback to its user."""
    name, *more = verb.split()
    if name == "report":
        return len(collect(store).problems)
    if name == "again":  # what the sweep's own command does before it trains
        runs = [Planned(run_id(one), one | {"store": str(store.root)}, [], []) for one in (config(), config(seed=1))]
        plan = Plan([], runs)
        try:
            survey(plan)
            for planned in plan.runs:
                freeze_run(store, planned, [], NAME)
        except (UserError, CorruptFile):
            return 2
        return len(describe(plan))
    words = {"status": [], "logs": [run.id]}.get(name, [NAME])
    words = [NAME if word == "SWEEP" else word for word in more] or words
    monkeypatch.setattr("sys.argv", ["sweeps", name, *words, f"store={store.root}"])
    return doors.main()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "store"
    made(root)
    return root


def spoilt() -> Iterator[Any]:
    """Each kind of file, each way to spoil it, and the commands that read it then."""
    for (i, kind), (j, way) in itertools.product(enumerate((*RUN, *SWEEP)), enumerate(WAYS)):
        usual = {VERBS[(i + j) % len(VERBS)]: None, "status": None}
        yield pytest.param(kind, way, tuple(usual), id=f"{kind}-{way}")
        others = tuple(verb for verb in VERBS if verb not in usual)
        yield pytest.param(kind, way, others, id=f"{kind}-{way}-others", marks=pytest.mark.slow)


@pytest.mark.parametrize(("kind", "way", "verbs"), list(spoilt()))
def test_a_spoilt_file_is_a_sentence_at_every_command(
    kind: str,
    way: str,
    verbs: tuple[str, ...],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no scheduler is asked
    for place, verb in enumerate(verbs):
        store = Store(tmp_path / str(place))
        shutil.copytree(whole, store.root)
        run, other = store.run_folders()
        WAYS[way](RUN[kind](run) if kind in RUN else store.sweep(NAME).path / kind)
        code = call(verb, store, run, monkeypatch)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err and "\x1b]" not in out + err and len(err) < 4000
        if verb == "status":  # the other run is shown, whatever became of this one
            assert code in (0, 2) and (other.id in out or "2 runs" in out or "1 run" in out), err
            if kind == "status.json" and code == 2:
                assert str(run.status_file) in err


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_claim_that_does_not_read_is_named(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts as in force, so that somebody must hear why the run stands still."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no scheduler is asked
    store = made(tmp_path / "store")
    run = next(store.run_folders())
    run.write_status(replace(run.status(), state=state))
    claim = run.claims / "7.json"
    claim.write_text("{")
    assert call("status", store, run, monkeypatch) == 2
    out, err = capsys.readouterr()
    assert "2 runs" in out and str(claim) in err and "the run counts as running" in err and err.count("\n") == 1
    held = claim_in_force(run)
    assert held is not None and str(claim) in str(held)
    (run.claims / "8.json").write_text(json.dumps(myself() | {"token": "t", "released": True}))
    assert call("status", store, run, monkeypatch) == 0 and capsys.readouterr().err == ""


SPOILT_WEIGHTS = {
    "a pickle": lambda: pickle.dumps({"g": 1}),
    "another zip": lambda: zipped(zipfile.ZIP_STORED),
    "a zip that unpacks to more": lambda: zipped(zipfile.ZIP_DEFLATED),
    "a list": lambda: saved([1]),
    "nothing": lambda: b"",
}


def zipped(how: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        archive.writestr("a/data.pkl", bytes(100_000))
    return held.getvalue()


def saved(value: object) -> bytes:
    held = io.BytesIO()
    torch.save(value, held)
    return held.getvalue()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("what", SPOILT_WEIGHTS)
def test_weights_that_are_none_are_a_sentence(what: str, signed: bool, tmp_path: Path) -> None:
    run = add_run(Store(tmp_path / "store"), [100.0], config())
    payload = SPOILT_WEIGHTS[what]()
    head = checkpoint.MAGIC + sha256(payload).hexdigest().encode() + b"\n" if signed else b""
    run.weights.write_bytes(head + payload)
    with pytest.raises(CorruptFile, match=r"weights\.pt is (damaged|not a checkpoint)"):
        checkpoint.load(run.weights)


def test_an_empty_status_is_made_again_of_rows_and_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    kept = {"steps": 500, "batch_size": 64, "precision": "fp32", "ema": 0.99}
    run = add_run(store, [100.0, 80.0, 50.0], config(train=kept))  # its last evaluation is at its end
    before = run.status()
    for empty in (b"", bytes(300)):
        run.status_file.write_bytes(empty)
        assert run.status().state == "preempted" and run.status().step == 500  # no weights: to be trained
        run.weights.write_bytes(b"x")
        again, _ = store.status_of(run.id)
        run.weights.unlink()
        assert again.state == "done" and again.scores["fd_classifier"] == 50.0 and again.train_s == before.train_s
        assert "was empty" in again.warnings[0]
    run.metrics_file.unlink()
    assert run.status().state == "planned"
    run.newest_checkpoint.write_bytes(b"x")
    assert run.status().state == "preempted"
    gone = add_run(store, [100.0, None], config(seed=3), "diverged", "a loss left the finite numbers")
    gone.status_file.write_bytes(b"")
    gone.weights.write_bytes(b"x")
    assert gone.status().state == "diverged"


def test_copied_and_forged_claims_end_nothing(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    run = next(store.run_folders())
    alive = {**machine(), "token": "t", "pid": os.getpid(), "started": process_start(os.getpid())}
    for name in ("1 (conflicted copy).json", "2~.json", "-3.json", "9" * 200 + ".json", "999999999999.json", "4.JSON"):
        (run.claims / name).write_text(json.dumps(alive))
    assert newest_claim(run)[0] == 1
    for wrong in ({"pid": -1}, {"pid": 0}, {"pid": "1"}, {"pid": 2**40}, {"pid": 1.5}, {"started": None}, {"host": []}):
        (run.claims / "1.json").write_text(json.dumps(alive | wrong))
        claim = claim_in_force(run)
        assert claim is not None and claim.host == "?"  # in force, and of nobody here: no signal goes anywhere


def test_text_from_data_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    store = made(tmp_path / "store")
    for run, name in zip(store.run_folders(), ("celeba[/crop]", "faces [small]"), strict=True):
        facts = {"data": name, "loss": "ns", "seed": 1}
        reason = "no\x1b]0;owned\x07 \ud800[bold]"
        run.write_status(replace(run.status(), axes=facts, state="failed", reason=reason))
        run.log_file.write_text("one\ttwo\n\x1b[2Jgone\u202e\n")
    assert call("status", store, run, monkeypatch) == 0
    out = capsys.readouterr().out
    assert "celeba[/crop]" in out and "faces [small]" in out and r"no\x1b]0;owned\x07 \ud800[bold]" in out
    assert call("logs", store, run, monkeypatch) == 0
    assert "one\ttwo\n\\x1b[2Jgone\\u202e\n" in capsys.readouterr().out


def test_logs_print_nothing_from_outside_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = made(tmp_path / "store")
    run = next(store.run_folders())
    (tmp_path / "secret").write_text("hunter2\n")
    job = store.sweep(NAME).job_log("7", 0)
    with open(store.sweep(NAME).submissions_file, "a") as f:
        f.write('{"token": "t", "job": "7"}\n')
    job.parent.mkdir()
    for link in (job, run.log_file):
        replaced(link, lambda path: path.symlink_to(tmp_path / "secret"))
        call("logs", store, run, monkeypatch)
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err and "out of the store" in err


def test_ids_and_names_are_taken_by_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = made(tmp_path / "store")
    run = next(store.run_folders())
    shutil.copytree(run.path, tmp_path / "evil")
    for text in ("../../evil", "../../../evil", f"{run.id}/../{run.id}", str(tmp_path / "evil"), ".", ""):
        with pytest.raises(UserError):
            find_run(store, text)
        with pytest.raises(UserError):
            store.run(text)
    for name in ("..", "../runs", "/etc", "a/b", ".hidden", ""):
        with pytest.raises(UserError):
            store.sweep(name)
    for odd in (os.fsencode(store.runs) + b"/\xff\xfe", os.fsencode(store.runs) + b"/my copy"):
        os.mkdir(odd)
    assert len(store.run_ids()) == 2
    assert call("status", store, run, monkeypatch) == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "skipped" in err and "my copy" in err
    plan = store.sweep(NAME).plan_file
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"runs": ["../../evil"]}))
    with pytest.raises(CorruptFile, match="an invalid value for runs"):
        store.sweep(NAME).plan()
