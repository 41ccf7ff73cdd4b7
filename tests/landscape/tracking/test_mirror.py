"""logger=wandb: an offline mirror under the run's own id, which may fail in any way and never harms the run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from held import hold, let_go
from support import TINY, command, frozen_runs

from landscape.config.identity import run_id
from landscape.runtime.worker import work
from landscape.store import RunFolder, Store
from landscape.tracking import process as mirror
from landscape.tracking.wandb import LOGGERS
from sweeps.planning.config_groups import groups
from sweeps.planning.plan import make_plan

# What an offline run of wandb holds, as JSON: LevelDB's log format around protocol buffers.
READ = """
import json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb
found = {"history": [], "summary": {}, "config": {}, "run": {}}
data, at, whole = open(sys.argv[1], "rb").read(), 7, b""
while at + 7 <= len(data):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    _, size, kind = struct.unpack("<IHB", data[at : at + 7])
    whole, at = whole + data[at + 7 : at + 7 + size], at + 7 + size
    if kind not in (1, 4):
        continue
    record, whole = pb.Record.FromString(whole), b""
    items = lambda message: {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in message}
    if record.HasField("history"):
        found["history"].append(items(record.history.item) | {"_step": record.history.step.num})
    if record.HasField("summary"):
        found["summary"] |= items(record.summary.update)
    if record.HasField("run"):
        found["run"] |= {"id": record.run.run_id, "group": record.run.run_group, "project": record.run.project}
        found["config"] |= items(record.run.config.update)
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody is there, should anything call
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb"))


def offline_runs(store: Store, run: RunFolder) -> list[dict[str, Any]]:
    """What each offline folder of a run holds, oldest first."""
    files = sorted(store.wandb.glob(f"offline-run-*-{run.id}/run-{run.id}.wandb"))
    done = [subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True) for file in files]
    assert all(one.returncode == 0 for one in done), done
    return [json.loads(one.stdout) for one in done]


def fake_wandb(folder: Path, monkeypatch: pytest.MonkeyPatch, **bodies: str) -> None:
    """A wandb in which `bodies` says what `init`, `log` and `finish` do, and `load` what its import does."""
    body = {"load": "pass", "init": "pass", "log": "pass", "finish": "pass", **bodies}
    folder.mkdir()
    (folder / "wandb.py").write_text(
        f"""
import os, time
{body["load"]}
Settings = Image = lambda *a, **k: None
class Run:
    summary = {{}}
    def log(self, *a, **k):
        {body["log"]}
    def finish(self):
        {body["finish"]}
def init(**k):
    {body["init"]}
    return Run()
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_loggers_are_the_choices_and_no_part_of_what_a_run_is() -> None:
    assert set(groups()["logger"]) == {"none", *LOGGERS}
    ids = {
        run_id(make_plan([*TINY, *more], multirun=False).runs[0].config)
        for more in ([], ["logger=wandb"], ["logger=wandb", "logger.mode=online", "logger.project=x"])
    }
    assert len(ids) == 1


@pytest.mark.slow
def test_a_run_is_mirrored_offline_with_its_rows_samples_and_configuration(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "logger=wandb")
    assert work(store, run.id, lambda text: None) == "done"
    assert not [text for text in run.status().warnings if "wandb" in text]
    (found,) = offline_runs(store, run)
    (sweep,) = store.sweep_folders()
    assert found["run"] == {"id": run.id, "group": sweep.name, "project": "gan-landscape"}
    assert found["config"]["arch"] == run.config()["arch"] and found["config"]["seed"] == 0
    rows = run.rows()
    assert [row["_step"] for row in found["history"]] == [row.step for row in rows] == [0, 6, 12]
    assert [row["fd_classifier"] for row in found["history"]] == [row.values["fd_classifier"] for row in rows]
    assert all(row["samples/_type"] == "image-file" and "fid" not in row for row in found["history"])
    assert found["summary"]["status"] == "done"
    assert list((store.wandb).glob("offline-run-*/files/media/images/*.png"))


@pytest.mark.slow
def test_a_resumed_run_appends_under_its_own_id(store: Store) -> None:
    long = ("train.steps=600", *TINY[1:], "metrics.every=200", "logger=wandb")
    arguments = command(*long, f"store={store.root}")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _, pid = hold(store, lambda run: len(run.rows()) > 1)
    process.send_signal(signal.SIGINT)
    let_go(pid, signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130, out
    (run,) = store.run_folders()
    assert subprocess.run(arguments, capture_output=True, timeout=300).returncode == 0
    first, second = offline_runs(store, run)
    assert first["run"]["id"] == second["run"]["id"] == run.id
    assert [row["_step"] for row in first["history"] + second["history"]] == [0, 200, 400, 600]
    assert first["history"] and second["history"]


@pytest.mark.slow
def test_scores_asked_for_later_and_rows_that_were_missed_are_added(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    assert not store.wandb.exists()
    wandb = json.dumps({"kind": "wandb", "mode": "offline", "project": "p"})
    for _ in range(2):  # again, there is nothing to add
        command = [
            sys.executable,
            "-m",
            "landscape.tracking.process",
            "--store",
            str(store.root),
            "--logger",
            wandb,
            run.id,
        ]
        assert subprocess.run(command, capture_output=True).returncode == 0
    frozen_runs(store, *TINY, "metrics.n_fake=32")
    work(store, run.id, lambda text: None, {"logger": json.loads(wandb)})
    first, late = offline_runs(store, run)
    assert [row["_step"] for row in first["history"]] == [0, 6, 12] and late["history"] == []
    protocol = run.rows()[-1].protocol
    assert late["summary"][f"{protocol[:8]}/fd_classifier"] == run.rows()[-1].values["fd_classifier"]


WORDS = 'raise RuntimeError("no luck today")'


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        ({"load": 'raise ImportError("no wandb here")'}, "ImportError: no wandb here"),
        ({"init": WORDS}, "RuntimeError: no luck today"),
        ({"log": WORDS}, "RuntimeError: no luck today"),
        ({"finish": WORDS}, "RuntimeError: no luck today"),
        ({"log": f'print("mirror failed: not so"); {WORDS}'}, "RuntimeError: no luck today"),
        ({"log": "os._exit(9)"}, "exit code 9"),
        ({"init": "time.sleep(600)"}, "did not end in time"),
    ],
    ids=["import", "init", "log", "finish", "talks", "dies", "hangs"],
)
def test_whatever_wandb_does_the_run_goes_on_and_says_so_once(
    bodies: dict[str, str], said: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_wandb(tmp_path / "fake", monkeypatch, **bodies)
    monkeypatch.setattr(mirror, "FINISH_WAIT_S", 1.0 if "did not" in said else 60.0)
    (run,) = frozen_runs(store, *TINY, "logger=wandb")
    lines: list[str] = []
    assert work(store, run.id, lines.append) == "done"
    assert [row.step for row in run.rows()] == [0, 6, 12]
    warnings = [text for text in run.status().warnings if "wandb" in text]
    assert len(warnings) == 1 and said in warnings[0]
    assert sum("wandb" in line for line in lines) == 1


def test_a_store_without_room_for_wandbs_folder_costs_the_mirror_alone(store: Store) -> None:
    store.wandb.write_text("in the way")
    (run,) = frozen_runs(store, *TINY, "logger=wandb")
    assert work(store, run.id, lambda text: None) == "done"
    (warning,) = [text for text in run.status().warnings if "wandb" in text]
    assert "FileExistsError" in warning


def test_a_logger_that_is_unknown_or_misspelt_is_refused() -> None:
    from landscape.config.errors import UserError

    for overrides, words in (("logger=wandbb", "did you mean wandb"), ("logger.mode=on", "legal: offline, online")):
        with pytest.raises(UserError, match=words):
            make_plan([overrides, *["logger=wandb"] * ("." in overrides)], multirun=False)
