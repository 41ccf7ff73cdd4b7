"""The cache of decoded data: made once, checked, shared, never half made; and the door that fills it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pictures import SIDE, array, data_of, encoded, fake_cifar10, fill
from support import hear, sweep

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data import Dataset, cifar10, decode_cache, find_data, load_data
from landscape.runtime.worker import work
from landscape.store import Store
from sweeps.cli import prefetch
from sweeps.cli import sweep as command
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import make_plan

COUNT = 12


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store, its cache too."""
    return Store(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", *(f"{kind}/{i}.png" for kind in "ab" for i in range(COUNT // 2)))


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name whenever something is decoded."""
    seen: list[str] = []
    real = decode_cache._decode

    def noted(source: Any, store: Store, fingerprint: str) -> Dataset:
        seen.append(source.name)
        return real(source, store, fingerprint)

    monkeypatch.setattr(decode_cache, "_decode", noted)
    return seen


def asked(source: Path, **more: Any) -> Data:
    return Data(kind="folder", size=SIDE, path=str(source), channels=3, test_share=0.25, **more)


def test_equal_files_are_decoded_once(store: Store, source: Path, decodings: list[str]) -> None:
    first = find_data(asked(source), store)
    assert find_data(asked(source), store).content == first.content
    assert decodings == ["folder"]
    assert first.content == Dataset("x", np.asarray(first.images), first.labels, first.train, first.test).content


@pytest.mark.parametrize("change", ["a picture", "its name", "one more", "one less", "the size", "the split"])
def test_what_changes_the_data_is_noticed(change: str, store: Store, source: Path) -> None:
    first = find_data(asked(source), store)
    file, more = source / "a" / "0.png", {}
    if change == "a picture":
        file.write_bytes(encoded(99))
        os.utime(file, (1, 1))
    elif change == "its name":
        file.rename(source / "b" / "9.png")
    elif change == "one more":
        (source / "b" / "9.png").write_bytes(encoded(99))
    elif change == "one less":
        file.unlink()
    changed = asked(source, **more)
    if change == "the size":
        changed.size, changed.resize = 4, "stretch"
    elif change == "the split":
        changed.test_share = 0.5
    assert find_data(changed, store).content != first.content


def test_images_are_mapped_not_read(store: Store, source: Path) -> None:
    data = find_data(asked(source), store)
    assert isinstance(data.images, np.memmap) and not data.images.flags.writeable
    assert np.array_equal(data.images[3], array(3).transpose(2, 0, 1))


def test_a_run_trains_after_its_source_is_gone(store: Store, source: Path) -> None:
    more = [f"data.path={source}", f"data.size={SIDE}", "metrics=none", "arch.width=0.04", "device=cpu"]
    plan = make_plan(["data=folder", *more, "train.batch_size=2", "train.steps=3", f"store={store.root}"], False)
    freeze(plan)
    shutil.rmtree(source)
    assert work(store, plan.runs[0].id, lambda text: None) == "done"


def test_mapped_images_are_scored(store: Store, tmp_path: Path) -> None:
    source = fill(tmp_path / "many", *(f"{kind}/{i}.png" for kind in "ab" for i in range(50)))
    more = [f"data.path={source}", f"data.size={SIDE}", "data.test_share=0.3", "arch.width=0.04", "device=cpu"]
    plan = make_plan(["data=folder", *more, "train.steps=2", "train.batch_size=8", f"store={store.root}"], False)
    freeze(plan)
    run = store.run(plan.runs[0].id)
    assert work(store, run.id, lambda text: None) == "done"
    assert [row.values["fd_imagenet"] is not None for row in run.rows()] == [True, True]


def test_neither_place_nor_name_is_part_of_a_run(store: Store, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "copy")
    more = [f"data.size={SIDE}", "metrics=none", "train.batch_size=2", f"store={store.root}"]

    def run_id(*overrides: str) -> str:
        return make_plan(["data=folder", *more, *overrides], multirun=False).runs[0].id

    first = run_id(f"data.path={source}")
    assert run_id(f"data.path={tmp_path / 'copy'}") == run_id(f"data.path={source}", "data.name=faces") == first
    assert run_id(f"data.path={source}", "data.test_share=0.5") != first


def left_in(store: Store) -> list[str]:
    """What is in the cache of data sets besides lock files."""
    return [p.name for p in (store.cache / "datasets").iterdir() if not p.name.endswith(".lock")]


def damage(store: Store, content: str, how: str) -> None:
    folder = store.dataset(content)
    if how == "cut":
        os.truncate(folder.array_file("images"), 100)
    elif how == "header":
        folder.header_file.write_text(folder.header_file.read_text().replace("12", "13"))
    elif how == "labels":
        file = folder.array_file("labels")
        file.write_bytes(file.read_bytes()[:-1] + b"\1")
    elif how == "removed":
        folder.array_file("train").unlink()


@pytest.mark.parametrize("how", ["cut", "header", "labels", "removed"])
def test_damage_is_met_by_decoding_again_or_by_a_sentence(how: str, store: Store, source: Path) -> None:
    data = data_of(store, "data=folder", f"data.path={source}")
    damage(store, data["content"], how)
    with pytest.raises(UserError, match=r"the decoded images of data=folder cannot be read from the store .*again"):
        load_data(Data(**data), store)
    assert data_of(store, "data=folder", f"data.path={source}") == data
    assert load_data(Data(**data), store).content == data["content"]


def test_prefetch_finds_a_flipped_bit(store: Store, source: Path, decodings: list[str]) -> None:
    data = find_data(asked(source), store, thorough=True)
    file = store.dataset(data.content).array_file("images")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert decode_cache.is_intact(find_data(asked(source), store, thorough=True))
    assert decodings == ["folder"] * 2


def test_a_full_disk_is_seen_before_decoding(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"the store's disk has 0.0 GiB left; give another with store=FOLDER"):
        find_data(asked(source), store)
    assert left_in(store) == []


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"data=folder cannot be written to the store at .*file"):
        find_data(asked(source), Store(tmp_path / "file"))


def test_an_interruption_leaves_nothing(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(f: Any, contents: Any, advance: Any) -> Iterator[np.ndarray]:
        yield np.ascontiguousarray(next(contents.blocks(advance)))
        raise KeyboardInterrupt

    monkeypatch.setattr(decode_cache, "_written", interrupted)
    with pytest.raises(KeyboardInterrupt):
        find_data(asked(source), store)
    assert left_in(store) == []


SLOW = """
import os, sys, time
from landscape.data import decode_cache
write = decode_cache._written
def slow(f, contents, advance):
    for block in write(f, contents, advance):
        print("decoding", flush=True)
        while not os.path.exists(os.environ["GO_ON"]):
            time.sleep(0.02)
        yield block
decode_cache._written = slow
from sweeps.cli import prefetch
sys.exit(prefetch.main(sys.argv[1:]))
"""


def slowly(store: Store, source: Path, go_on: Path) -> subprocess.Popen[str]:
    """A prefetch in a process of its own that has begun to write and waits for a file before it goes on."""
    overrides = ["data=folder", f"data.size={SIDE}", f"data.path={source}", f"store={store.root}"]
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GO_ON": str(go_on)},
    )


@pytest.mark.slow
def test_of_two_processes_one_decodes_and_a_killed_one_is_made_good(store: Store, source: Path, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    killed = slowly(store, source, go_on)
    hear(killed, killed.stdout, "decoding")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert list((store.cache / "datasets").glob(".*.making"))

    first = slowly(store, source, go_on)
    hear(first, first.stdout, "decoding")
    second = slowly(store, source, go_on)
    hear(second, second.stderr, "waiting for another process that decodes data=folder")
    go_on.touch()
    first.communicate(timeout=300)
    out2, _ = second.communicate(timeout=300)
    assert first.returncode == second.returncode == 0 and "decoding" not in out2
    assert "data=folder: 10 training and 2 test images" in out2
    assert not list((store.cache / "datasets").glob(".*.making"))


def test_a_plan_can_be_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make_plan", interrupted)
    assert command.main([]) == 130 and capsys.readouterr().err == ("interrupted; the same command goes on from here\n")


# python -m landscape.prefetch


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    return prefetch.main([*arguments])


def test_prefetch_says_what_it_found(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data=folder", f"data.path={source}", f"data.size={SIDE}", f"store={store.root}"]
    assert call(monkeypatch, *arguments) == 0
    out = capsys.readouterr().out
    assert "data=folder: 10 training and 2 test images, 3 x 8 x 8, 2 classes; content " in out
    assert not store.runs.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data=folder"], "data=folder needs data.path"),
        (["data=flickr"], "data=flickr is not known"),
        (["data=folder,cifar10"], "has several values"),
        (["data.pth=x"], "data.pth is not a configuration key (did you mean data.path?)"),
    ],
)
def test_prefetch_refuses_in_a_sentence(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert sentence in err and len(err.splitlines()) == 1


def test_prefetch_into_a_store_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert call(monkeypatch, "data=digits", "metrics=classifier", f"store={tmp_path / 'file'}") == 2
    err = capsys.readouterr().err
    assert str(tmp_path / "file") in err and len(err.splitlines()) == 1


def test_prefetch_downloads_cifar10_where_it_is_not_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def downloaded(root: Path) -> None:
        assert root == store.downloads("cifar10")
        fake_cifar10(root, monkeypatch)

    monkeypatch.setattr(cifar10, "download", downloaded)
    assert call(monkeypatch, "data=cifar10", f"store={store.root}") == 0
    assert "data=cifar10: 20 training and 4 test images, 3 x 32 x 32, 10 classes" in capsys.readouterr().out


def test_a_failed_download_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets")

    def offline(*args: Any, **options: Any) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(datasets, "CIFAR10", offline)
    with pytest.raises(UserError, match=r"cannot be downloaded \(no route to host\); put its folder"):
        cifar10.download(tmp_path)


def test_the_users_command_decodes_and_trains(store: Store, source: Path) -> None:
    more = [f"data.size={SIDE}", "metrics=none", "arch.width=0.04", "train.batch_size=2", "train.steps=2"]
    done = sweep("data=folder", f"data.path={source}", *more, f"store={store.root}", "device=cpu")
    assert done.returncode == 0 and "done at step 2" in done.stderr and "decoding data=folder: 12 images" in done.stderr
    status = json.loads(next(store.runs.glob("*/status.json")).read_text())
    assert status["axes"]["data"] == "folder"
    wrong = sweep("data=folder", "data.path=nowhere", *more, f"store={store.root}")
    assert (
        wrong.returncode == 2 and wrong.stderr == "data.path=nowhere does not exist; give a folder or a zip of images\n"
    )
