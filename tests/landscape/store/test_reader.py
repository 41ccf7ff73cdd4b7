"""The one reader of files that others may have written: never a hang, a full memory or a parser's exception."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from bombs import bomb

from landscape.config.errors import CorruptFile
from landscape.store.atomic_io import open_regular, read_bounded, read_json, read_yaml, to_yaml

TEXTS: dict[str, tuple[str, str | bytes, str]] = {
    "json: not a number": ("x.json", '{"a": NaN}', "NaN is not a number"),
    "json: infinite": ("x.json", '{"a": 1e999}', "inf is not a number"),
    "json: huge": ("x.json", '{"a": 1' + "0" * 400 + "}", "too large"),
    "json: more digits than Python takes": ("x.json", "1" * 5000, "not valid JSON"),
    "json: deep": ("x.json", "[" * 100 + "]" * 100, "nested too deep"),
    "json: deeper than the stack": ("x.json", "[" * 200_000, "nested too deep"),
    "json: no UTF-8": ("x.json", b'"\xff"', "not valid JSON"),
    "json: empty": ("x.json", "", "not valid JSON"),
    "yaml: bomb": ("x.yaml", bomb(), "alias"),
    "yaml: a mapping that merges itself": ("x.yaml", "a: &a {b: 1}\nc:\n  <<: *a\n", "alias"),
    "yaml: deep": ("x.yaml", "a: " + "[" * 100 + "]" * 100, "nested too deep"),
    "yaml: deeper than the stack": ("x.yaml", "a:\n  " + "- " * 200_000, "nested too deep"),
    "yaml: deep keys": ("x.yaml", "? " * 100_000, "nested too deep"),
    "yaml: infinite": ("x.yaml", "a: .inf", "inf is not a number"),
    "yaml: no number": ("x.yaml", "a: .nan", "nan is not a number"),
    "yaml: a date that is none": ("x.yaml", "a: 2001-99-99", "not valid YAML"),
    "yaml: a list": ("x.yaml", "- 1", "is not a mapping"),
    "yaml: an object": ("x.yaml", "a: !!python/object/apply:os.system [id]", "not valid YAML"),
    "yaml: a reference to itself": ("x.yaml", "a: &a [*a]", "alias"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_is_none_is_named(kind: str, tmp_path: Path) -> None:
    name, text, wrong = TEXTS[kind]
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CorruptFile, match=f"{re.escape(str(file))} .*{wrong}") as caught:
        (read_json if name.endswith("json") else read_yaml)(file)
    assert len(str(caught.value)) < len(str(file)) + 200


def test_what_is_no_regular_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("fifo", "folder", "device", "loop"):
        for within in ((), (tmp_path,)):
            with pytest.raises(CorruptFile, match=f"{name} (is|cannot)"):
                read_bounded(tmp_path / name, 100, within)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "nothing", 100)


def test_no_more_is_read_than_such_a_file_may_hold(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x" * 100)
    assert read_bounded(file, 100) == b"x" * 100
    with pytest.raises(CorruptFile, match="larger than the limit of 99 bytes"):
        read_bounded(file, 99)
    os.truncate(file, 1 << 40)  # takes no room on the disk, and would take it all in memory
    with pytest.raises(CorruptFile, match="larger"):
        read_bounded(file, 1 << 20)


def test_a_link_is_followed_inside_the_store_alone(tmp_path: Path) -> None:
    store, secret = tmp_path / "store", tmp_path / "secret"
    (store / "run").mkdir(parents=True)
    secret.mkdir()
    (secret / "x").write_text("mine")
    (store / "own").write_text("ours")
    (store / "run" / "inside").symlink_to("../own")
    (store / "run" / "outside").symlink_to(secret / "x")
    (store / "linked").symlink_to(secret)
    (store / "run" / "nowhere").symlink_to(store / "nothing")
    assert read_bounded(store / "run" / "inside", 10, (store,)) == b"ours"
    for name in ("run/outside", "linked/x"):
        with pytest.raises(CorruptFile, match=r"link .*out of the store"), open_regular(store / name, (store,)):
            pass
    with pytest.raises(FileNotFoundError):
        read_bounded(store / "run" / "nowhere", 10, (store,))
    moved = tmp_path / "moved"  # a store that is a link itself, as one on a larger disk
    moved.symlink_to(store)
    assert read_bounded(moved / "own", 10, (moved,)) == b"ours"
    moved.unlink()
    moved.symlink_to(secret)  # to another place meanwhile
    assert read_bounded(moved / "x", 10, (moved,)) == b"mine"


def test_what_is_written_twice_reads(tmp_path: Path) -> None:
    shared = [1, 2]
    (tmp_path / "x.yaml").write_text(to_yaml({"a": shared, "b": shared, "c": "x & y"}))
    assert read_yaml(tmp_path / "x.yaml") == {"a": [1, 2], "b": [1, 2], "c": "x & y"}
