"""Weights are found, named by their digest and checked; a plan that lacks them stops with the command that helps."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import pytest
import torch
from support import TINY, frozen_runs

from landscape.config.errors import UserError
from landscape.metrics import extractor_inception
from landscape.runtime.worker import work
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.weights import INCEPTION, PUBLISHED, ChangedWeights, NoWeights, find_weights, read_weights
from sweeps.cli import prefetch
from sweeps.cli.sweep import main
from sweeps.planning.plan import make_plan


@pytest.fixture(autouse=True)
def _no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where torch has downloaded nothing."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What torch.save writes; planning looks no further."""
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(3)}, path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def asked(*overrides: str) -> EvalRequest:
    found = EvalRequest.of(make_plan(["metrics=inception", *overrides], multirun=False).runs[0].config)
    assert found is not None
    return found


def test_a_plan_without_weights_stops_with_the_command_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "s"
    assert main(["-m", "metrics=inception", "seed=0,1", f"store={store}"]) == 2
    err = capsys.readouterr().err
    assert f"not in the store at {store}: python -m landscape.prefetch metrics=inception" in err
    assert len(err.splitlines()) == 1 and not store.exists()


@pytest.mark.slow
def test_a_path_is_no_part_of_a_request_and_its_content_is(tmp_path: Path, file: Path) -> None:
    here = asked(f"metrics.weights={file}", f"store={tmp_path / 's'}")
    moved = file.rename(tmp_path / "moved.pth")
    assert asked(f"metrics.weights={moved}", f"store={tmp_path / 's'}") == here
    assert here.weights_sha256 == digest(moved) and "weights" not in here.to_json()
    torch.save({"a": torch.ones(3)}, moved)
    assert asked(f"metrics.weights={moved}", f"store={tmp_path / 's'}").id != here.id


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "No such file"), (b"<html>", "was not written by torch.save")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "given.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"metrics\.weights={path}.*{sentence}"):
        find_weights("inception", str(path), Store(tmp_path))


def test_weights_are_those_of_planning_whatever_became_of_the_file(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "s")
    planned = find_weights("inception", str(file), store)
    before = file.read_bytes()
    file.write_bytes(b"PK else")
    assert read_weights("inception", planned, store) == before


def test_a_changed_copy_is_a_sentence_and_planning_mends_it(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "s")
    planned = find_weights("inception", str(file), store)
    with open(store.weights_file(planned), "ab") as f:
        f.write(b"x")
    with pytest.raises(ChangedWeights, match="has changed since the run was planned"):
        read_weights("inception", planned, store)
    find_weights("inception", str(file), store)
    assert read_weights("inception", planned, store) == file.read_bytes()
    store.weights_file(planned).unlink()
    with pytest.raises(UserError, match=r"cannot be read from the store .*landscape\.prefetch metrics=inception"):
        read_weights("inception", planned, store)


def publish(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this file be what the world knows as Inception's weights."""
    published = dataclasses.replace(PUBLISHED["inception"], digest=digest(file)[:8])
    monkeypatch.setitem(PUBLISHED, "inception", published)


def test_what_torch_fidelity_downloaded_is_used(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloaded = tmp_path / "torch" / "hub" / "checkpoints" / INCEPTION
    downloaded.parent.mkdir(parents=True)
    file.rename(downloaded)
    with pytest.raises(UserError, match="is damaged: its SHA-256 starts with"):
        find_weights("inception", None, Store(tmp_path / "s"))
    publish(downloaded, monkeypatch)
    assert find_weights("inception", None, Store(tmp_path / "s")) == digest(downloaded)
    downloaded.unlink()
    assert find_weights("inception", None, Store(tmp_path / "s"))  # the store has its own
    with pytest.raises(NoWeights):
        find_weights("inception", None, Store(tmp_path / "other"))


# python -m landscape.prefetch


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return prefetch.main(["metrics=inception", *arguments])


def test_prefetch_checks_a_file_against_the_network(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, f"metrics.weights={file}", f"store={tmp_path / 's'}") == 2
    err = capsys.readouterr().err
    assert "is not a file of torch-fidelity's Inception weights" in err and len(err.splitlines()) == 1


def test_prefetch_downloads_once_and_again_where_the_copy_is_damaged(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched = []

    def fetch(url: str, to: str, *more: object, **options: object) -> None:
        fetched.append(url)
        Path(to).write_bytes(file.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    publish(file, monkeypatch)
    monkeypatch.setattr(extractor_inception, "inception_from", lambda content: torch.load(io.BytesIO(content)))
    store = Store(tmp_path / "s")
    for _ in range(2):
        assert call(monkeypatch, f"store={store.root}") == 0
        assert "are in the store and match the network" in capsys.readouterr().out and len(fetched) == 1
    store.weights_file(digest(file)).write_bytes(b"PK")
    assert call(monkeypatch, f"store={store.root}") == 0 and len(fetched) == 2
    assert read_weights("inception", digest(file), store) == file.read_bytes()


def test_a_failed_download_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert call(monkeypatch, f"store={tmp_path / 's'}") == 2
    err = capsys.readouterr().err
    assert (
        "cannot be downloaded (no route to host); download https://" in err and len(err.splitlines()) == 2
    )  # what it does, and why it cannot


def test_a_run_whose_weights_do_not_fit_fails_before_it_trains(tmp_path: Path, file: Path) -> None:
    store = Store(tmp_path / "s")
    (run,) = frozen_runs(store, *TINY, "metrics=inception", f"metrics.weights={file}")
    assert work(store, run.id, lambda text: None) == "failed"
    status = run.status()
    assert "is not a file of torch-fidelity's Inception weights" in (status.reason or "") and not status.step
