"""Every kind of source: what its files become, and the sentence for each way in which they can be wrong."""

from __future__ import annotations

import io
import os
import pickle
import shlex
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import SIDE, array, data_of, encoded, fake_cifar10, fill, zipped
from PIL import Image

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data import Dataset, celebahq128, cifar10, load_data, lsun_bedroom, sizes
from landscape.data.image_decoding import BadPicture, decode_image, displayed_size
from landscape.data.image_files import natural_key
from landscape.store import Store
from sweeps.cli import prefetch
from sweeps.planning.plan import make_plan


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store; unlike the shared fixture without a warm cache, so that a test sees all that is in it."""
    return Store(tmp_path / "store")


def planned(store: Store, *overrides: str) -> Dataset:
    """The data set as a worker would open it after planning."""
    return load_data(Data(**data_of(store, *overrides)), store)


def chw(seed: int) -> np.ndarray:
    return array(seed).transpose(2, 0, 1)


def leftovers(store: Store) -> list[str]:
    """What a failed decoding left in the cache besides lock files."""
    return [str(p) for p in store.cache.rglob("*") if p.is_file() and not p.name.endswith(".lock")] + [
        str(p) for p in (store.cache / "datasets").glob(".*.making")
    ]


# folder


def test_flat_folder_has_no_labels_and_a_seeded_split(store: Store, tmp_path: Path) -> None:
    root = fill(tmp_path / "in", *(f"{i}.png" for i in range(20)))
    data = planned(store, "data=folder", f"data.path={root}")
    assert data.labels is None and data.images.shape == (20, 3, SIDE, SIDE)
    assert [np.array_equal(data.images[i], chw(i)) for i in range(20)] == [True] * 20  # 9.png before 10.png
    assert sorted([*data.train, *data.test]) == list(range(20)) and len(data.test) == 2
    more = planned(store, "data=folder", f"data.path={root}", "data.test_share=0.5")
    assert len(more.test) == 10 and more.content != data.content


def test_class_folders_become_labels_and_each_class_is_split(store: Store, tmp_path: Path) -> None:
    names = [f"{kind}/deep/{i}.png" for kind in ("b", "a") for i in range(10)]
    data = planned(store, "data=folder", f"data.path={fill(tmp_path / 'in', *names)}", "data.test_share=0.3")
    assert data.labels is not None and data.labels.tolist() == [0] * 10 + [1] * 10
    assert np.array_equal(data.images[0], chw(10))  # a/ was filled second
    assert np.bincount(data.labels[data.test]).tolist() == [3, 3]


def test_train_and_test_folders_are_the_split(store: Store, tmp_path: Path) -> None:
    names = [f"wrapped/{part}/{kind}/{i}.png" for part in ("train", "test") for kind in "ab" for i in range(2)]
    whole = planned(store, "data=folder", f"data.path={fill(tmp_path / 'in', *names)}")
    assert len(whole.train) == len(whole.test) == 4 and whole.classes == 2
    assert np.array_equal(whole.images[whole.train[0]], chw(0))
    parts = [f"data.path={tmp_path}/in/wrapped/train", f"data.test_path={tmp_path}/in/wrapped/test"]
    assert planned(store, "data=folder", *parts).content == whole.content


def test_a_zip_is_the_folder_that_was_zipped(store: Store, tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    files = {f"top/{p.relative_to(root).as_posix()}": p.read_bytes() for p in root.rglob("*.png")}
    junk = {"__MACOSX/a/._1.png": b"x", "top/.hidden.png": b"x", "top/readme.txt": b"x"}
    path = zipped(tmp_path / "in.zip", {**files, **junk})
    a = planned(store, "data=folder", f"data.path={path}")
    assert a.content == planned(store, "data=folder", f"data.path={root}").content


# pictures


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_lossless_formats_come_out_to_the_bit(kind: str) -> None:
    assert np.array_equal(decode_image(encoded(3, kind=kind), SIDE, 3, None), chw(3))


def test_grey_is_repeated_colour_becomes_luma_and_transparency_white() -> None:
    grey = Image.fromarray(array(0)[:, :, 0])
    assert np.array_equal(decode_image(saved(grey), SIDE, 3, None), np.stack([array(0)[:, :, 0]] * 3))
    red = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    assert (decode_image(saved(red), SIDE, 1, None) == 76).all()  # 0.299 * 255
    clear = Image.new("RGBA", (SIDE, SIDE), (255, 0, 0, 0))
    clear.putpixel((0, 0), (255, 0, 0, 255))
    made = decode_image(saved(clear), SIDE, 3, None)
    assert made[:, 0, 0].tolist() == [255, 0, 0] and made[:, 1, 1].tolist() == [255, 255, 255]
    palette = Image.new("P", (SIDE, SIDE), 0)
    palette.putpalette([0, 0, 0])
    assert (decode_image(saved(palette, transparency=0), SIDE, 3, None) == 255).all()


def test_a_photograph_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    made = decode_image(saved(Image.fromarray(array(1)), exif=exif), SIDE, 3, None)
    assert np.array_equal(made, chw(1)[:, ::-1, ::-1])


def test_resizing_crops_stretches_or_cuts_and_pads() -> None:
    wide = saved(Image.fromarray(array(2, width=12, height=8)))
    assert np.array_equal(decode_image(wide, 8, 3, "crop"), array(2, 12, 8)[:, 2:10].transpose(2, 0, 1))
    assert decode_image(wide, 4, 3, "stretch").shape == decode_image(wide, 4, 3, "crop").shape == (3, 4, 4)
    made = decode_image(wide, 10, 3, "crop_or_pad")
    assert np.array_equal(made[:, 1:9], array(2, 12, 8)[:, 1:11].transpose(2, 0, 1))
    assert (made[:, [0, 9]] == 0).all()


def test_sixteen_bits_are_refused() -> None:
    deep = Image.fromarray(np.full((SIDE, SIDE), 40000, np.uint16))
    with pytest.raises(BadPicture, match="more than 8 bits"):
        decode_image(saved(deep), SIDE, 3, None)


def png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    """A PNG chunk by chunk, of kinds that Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_refused_in_grey_and_in_color(kind: int, channels: int) -> None:
    rows = (b"\0" + b"\x80\x01" * channels * SIDE) * SIDE
    with pytest.raises(BadPicture, match="more than 8 bits"):
        decode_image(png(SIDE, SIDE, 16, kind, rows), SIDE, 3, None)


def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    with pytest.raises(BadPicture, match="13000x13000 is 169,000,000 pixels; legal: up to 67,108,864"):
        decode_image(png(13000, 13000, 1, 0, b""), SIDE, 3, "crop")


def test_names_with_many_digits_stand_in_their_order(store: Store, tmp_path: Path) -> None:
    mixed = ["a10", "10.png", "a2", "9.png", "0009.png"]
    assert sorted(mixed, key=natural_key) == ["0009.png", "9.png", "10.png", "a2", "a10"]
    files = {f"{'1' * 5000}.png": encoded(1), "2.png": encoded(2), "3.png": encoded(3)}
    data = planned(store, "data=folder", f"data.path={zipped(tmp_path / 'in.zip', files)}")
    assert np.array_equal(data.images[0], chw(2)) and np.array_equal(data.images[2], chw(1))


# what is wrong


def broken(root: Path) -> Path:
    fill(root, "1.png", "2.png", "3.png", "4.png")
    (root / "2.png").write_bytes(encoded(0)[:60])
    (root / "3.png").write_bytes(b"no picture")
    return root


def other_sizes(root: Path) -> Path:
    fill(root, "1.png", "2.png", "3.png")
    for name in ("2.png", "3.png"):
        (root / name).write_bytes(encoded(0, 9, 7))
    return root


def cut_short(root: Path) -> Path:
    path = zipped(root.with_suffix(".zip"), {f"{i}.png": encoded(i) for i in range(5)})
    path.write_bytes(path.read_bytes()[:-200])
    return path


def flipped(root: Path) -> Path:
    """A zip one of whose pictures has another checksum than the directory says."""
    path = zipped(root.with_suffix(".zip"), {f"{i}.png": encoded(i) for i in range(3)})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    return path


def with_link(root: Path) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", encoded(1))
        link = zipfile.ZipInfo("2.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return path


def text(root: Path) -> Path:
    root.write_text("hello")
    return root


def escaping(name: str) -> Callable[[Path], Path]:
    return lambda root: zipped(root.with_suffix(".zip"), {"1.png": encoded(1), name: encoded(2)})


def folder_of(*names: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        root.mkdir()
        return fill(root, *names)

    return make


def fifo(root: Path) -> Path:
    fill(root, "1.png")
    os.mkfifo(root / "2.png")
    return root


def endless(root: Path) -> Path:
    fill(root, "1.png")
    (root / "2.png").symlink_to("/dev/zero")
    return root


def large(root: Path) -> Path:
    fill(root, "1.png")
    with open(root / "2.png", "wb") as f:
        f.truncate(2**26 + 1)
    return root


def zeros(root: Path) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", encoded(1))
        archive.writestr("2.png", bytes(2**26 + 1))
    return path


def pipe(root: Path) -> Path:
    os.mkfifo(root)
    return root


WRONG: list[tuple[Callable[[Path], Path], str]] = [
    (lambda root: root, "data.path={path} does not exist; give a folder or a zip of images"),
    (folder_of(), "data.path={path} has no images; legal: .png .jpg .jpeg .webp .bmp"),
    (broken, "2 of 4 images cannot be read: the first is 2.png ("),
    (other_sizes, "2 of 3 images are not of data.size: the first is 2.png (9x7); set data.resize=crop, stretch or"),
    (cut_short, "data.path={path} is not a complete zip file (File is not a zip file); it may be truncated"),
    (flipped, "1 of 3 images cannot be read: the first is 0.png (Bad CRC-32 for file '0.png')"),
    (fifo, "{path}/2.png is not a regular file; images must be regular files"),
    (endless, "{path}/2.png is not a regular file; images must be regular files"),
    (large, "{path}/2.png has 67,108,865 bytes; legal for an image: up to 67,108,864"),
    (zeros, "{path}: 2.png has 67,108,865 bytes; legal for an image: up to 67,108,864"),
    (pipe, "data.path={path} is neither a folder nor a zip file"),
    (text, "data.path={path} is neither a folder nor a zip file"),
    (escaping("../2.png"), "{path} has an entry with an unsafe path (../2.png); it was not read"),
    (escaping("/2.png"), "has an entry with an unsafe path (/2.png)"),
    (escaping("a\\..\\..\\2.png"), "has an entry with an unsafe path"),
    (escaping("C:/2.png"), "has an entry with an unsafe path"),
    (with_link, "{path} has a symbolic link (2.png); it was not read"),
    (
        folder_of("a/1.png", "a/2.png", "3.png"),
        "1 of 3 images are not in a class folder: the first",
    ),
    (folder_of("train/a/1.png", "test/b/1.png"), "class b has test images but no training images"),
    (folder_of("1.png"), "data=folder needs at least one training image and one test image"),
]


@pytest.mark.parametrize(("make", "sentence"), WRONG, ids=[sentence[:60] for _, sentence in WRONG])
def test_wrong_files_get_a_sentence_and_leave_nothing(
    make: Callable[[Path], Path], sentence: str, store: Store, tmp_path: Path
) -> None:
    path = make(tmp_path / "in")
    with pytest.raises(UserError) as raised:
        data_of(store, "data=folder", f"data.path={path}")
    assert sentence.format(path=path) in str(raised.value) and "\n" not in str(raised.value)
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["data=folder", "data.size=8"],
            "data=folder needs data.path: a folder or zip of images",
        ),
        (["data=folder"], "data=folder needs data.path: a folder or zip of images"),
        (["data=folder", "data.path=x"], "data.path=x does not exist; give a folder or a zip of images"),
        (["data=folder", "data.path=''"], "legal: a folder or a file"),
        (
            ["data=folder", "data.size=8", "data.resize=zoom"],
            "legal: crop, stretch, crop_or_pad",
        ),
        (["data=folder", "data.size=8", "data.channels=2"], "data.channels=2 is out of range; legal: 1, 3"),
        (["data=folder", "data.size=8", "data.test_share=1"], "legal: a number between 0 and 1"),
        (["data=cifar10"], "; to download it: python -m landscape.prefetch data=cifar10 store="),
        (["data=cifar10", "data.size=64"], "data.size=64 is not legal for CIFAR-10; legal: 32"),
    ],
)
def test_keys_are_checked(overrides: list[str], sentence: str, store: Store) -> None:
    with pytest.raises(UserError) as raised:
        make_plan([*overrides, "metrics=none", f"store={store.root}"], multirun=False)
    assert sentence in str(raised.value)


# data.size, where nobody gives it


def sized(root: Path, *sizes: tuple[int, int]) -> Path:
    root.mkdir()
    for i, (width, height) in enumerate(sizes):
        (root / f"{i}.png").write_bytes(encoded(i, width, height))
    return root


def unsized(store: Store, *overrides: str) -> dict[str, Any]:
    """`data` as a plan freezes it that was given no size."""
    made = make_plan([*overrides, "metrics=none", "train.batch_size=2", f"store={store.root}"], multirun=False)
    return dict(made.runs[0].config["data"])


def test_the_size_that_all_images_have_is_taken(store: Store, tmp_path: Path) -> None:
    root = sized(tmp_path / "in", *[(16, 16)] * 5)
    found = unsized(store, "data=folder", f"data.path={root}")
    assert found["size"] == 16
    assert found == data_of(store, "data=folder", f"data.path={root}", "data.size=16")
    files = {file.name: file.read_bytes() for file in root.iterdir()}
    assert unsized(store, "data=folder", f"data.path={zipped(tmp_path / 'in.zip', files)}")["size"] == 16
    apart = [f"data.path={root}", f"data.test_path={sized(tmp_path / 'test', (16, 16))}"]
    assert unsized(store, "data=folder", *apart)["size"] == 16


def test_sizes_are_read_once_for_the_same_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sized(tmp_path / "in", *[(16, 16)] * 5)
    read: list[bytes] = []
    real = sizes.displayed_size
    monkeypatch.setattr(sizes, "displayed_size", lambda encoded: (read.append(encoded), real(encoded))[1])
    given = ["data=folder", f"data.path={root}", "metrics=none", "train.batch_size=2", f"store={store.root}"]
    assert len(make_plan([*given, "loss=ns,ls", "seed=0,1"], multirun=True).runs) == 4 and len(read) == 5
    make_plan(given, multirun=False)
    assert len(read) == 5
    (kept,) = (store.cache / "sizes").glob("*.json")
    for spoilt in ("", "[]", '{"sizes": [[16, "x", 5]]}', '{"sizes": [[16, 16, 4]]}', '{"sizes": []}'):
        read.clear()
        kept.write_text(spoilt)
        assert make_plan(given, multirun=False).runs[0].config["data"]["size"] == 16 and len(read) == 5
    (root / "4.png").write_bytes(encoded(4, 24, 24))
    with pytest.raises(UserError, match="4 of 16x16, 1 of 24x24"):
        make_plan(given, multirun=False)
    assert prefetch.main([*given[:2], "data.size=16", "data.resize=crop", given[-1]]) == 0
    assert prefetch.main([*given[:2], given[-1]]) == 2 and "4 of 16x16, 1 of 24x24" in capsys.readouterr().err
    (root / "4.png").unlink()
    assert prefetch.main([*given[:2], given[-1]]) == 0 and "3 x 16 x 16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("having", "sentence"),
    [
        (
            [(16, 16), (40, 30), (16, 16)],
            "data.size is needed, because the 3 images are not of one size (2 of 16x16, 1 of 40x30); "
            "set data.size and data.resize (crop, stretch or crop_or_pad), such as data.size=16 data.resize=crop",
        ),
        (
            [(40, 30)] * 3,
            "data.size is needed, because the 3 images are of 40x30, which is not square; "
            "set data.size and data.resize (crop, stretch or crop_or_pad), such as data.size=16 data.resize=crop",
        ),
        ([(1100, 1100)] * 2, "because the 2 images are of 1100x1100, above the largest side 1024; set data.size"),
        ([(n, n) for n in range(8, 16)], "(1 of 8x8, 1 of 9x9, 1 of 10x10, 1 of 11x11, 1 of 12x12 and 3 more sizes)"),
    ],
)
def test_other_sizes_are_told_with_what_to_write(
    having: list[tuple[int, int]], sentence: str, store: Store, tmp_path: Path
) -> None:
    root = sized(tmp_path / "in", *having)
    with pytest.raises(UserError) as raised:
        unsized(store, "data=folder", f"data.path={root}")
    assert sentence in str(raised.value)
    if "such as" in sentence:
        assert unsized(store, "data=folder", f"data.path={root}", *sentence.partition("such as ")[2].split())


def test_a_picture_that_lies_counts_as_it_is_shown() -> None:
    image = Image.fromarray(array(0, 40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert displayed_size(saved(image)) == (40, 30)
    assert displayed_size(saved(image, "JPEG", exif=exif)) == (30, 40)


def test_without_a_size_broken_pictures_are_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2 of 4 images cannot be read: the first is 2\.png"):
        unsized(store, "data=folder", f"data.path={broken(tmp_path / 'in')}")


def test_data_that_are_missing_are_no_matter_of_the_point_of_a_grid_that_asks_first(tmp_path: Path) -> None:
    store, there = f"store='{tmp_path}/a store'", f"data.path={tmp_path}"
    with pytest.raises(UserError) as raised:
        make_plan(["data=cifar10", "loss=ns,ls", "seed=0,1", there, store], multirun=True)
    whole = f"python -m landscape.prefetch data=cifar10 {there} {shlex.quote(store)}"
    assert str(raised.value) == f"CIFAR-10 is not in {tmp_path}; to download it: {whole}"
    with pytest.raises(UserError, match=r"^data=cifar10 loss=ns: CIFAR-10 is not in"):
        make_plan(["data=cifar10,digits", "loss=ns,ls", "metrics=none", store], multirun=True)


# the study's


def test_cifar10_is_what_its_files_hold(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fake_cifar10(tmp_path / "in", monkeypatch)
    data = planned(store, "data=cifar10", f"data.path={tmp_path / 'in'}", "data.size=32")
    assert (
        np.array_equal(data.images, real)
        and data.labels is not None
        and data.labels[:12].tolist() == [*range(10), 0, 1]
    )
    assert data.train.tolist() == list(range(20)) and data.test.tolist() == list(range(20, 24))


def test_cifar10_needs_no_files_once_it_is_cached(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cifar10(tmp_path / "in", monkeypatch)
    first = planned(store, "data=cifar10", f"data.path={tmp_path / 'in'}", "data.size=32")
    assert planned(store, "data=cifar10", "data.size=32").content == first.content


def test_cifar10_of_other_bytes_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cifar10(tmp_path / "in", monkeypatch)
    file = tmp_path / "in" / cifar10.FOLDER / "data_batch_3"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(UserError, match=r"data_batch_3 is not a CIFAR-10 file \(its MD5 differs"):
        planned(store, "data=cifar10", f"data.path={tmp_path / 'in'}", "data.size=32")
    assert leftovers(store) == []


def test_a_pickle_that_asks_for_more_than_arrays_is_not_read() -> None:
    with pytest.raises(UserError, match=r"refers to .*system"):
        cifar10._unpickle(pickle.dumps({"data": os.system}, protocol=2))


def test_celebahq_tests_on_its_last_tenth_by_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celebahq128, "COUNT", 20)
    root = fill(tmp_path / "in", *(f"{i}.png" for i in range(20)))
    data = planned(store, "data=celebahq128", f"data.path={root}")
    assert data.labels is None and data.test.tolist() == [18, 19]
    assert np.array_equal(data.images[18], chw(18))
    (root / "0.png").unlink()
    with pytest.raises(UserError, match=r"CelebA-HQ has 20 images, but .* has 19; data=folder accepts any number"):
        planned(store, "data=celebahq128", f"data.path={root}")


def test_lsun_is_cut_and_padded_and_tests_on_its_tail(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsun_bedroom, "TEST", 3)
    root = fill(tmp_path / "in", *(f"{i}.png" for i in range(10)))
    (root / "0.png").write_bytes(encoded(0, 12, 6))
    data = planned(store, "data=lsun_bedroom", f"data.path={root}")
    assert data.test.tolist() == [7, 8, 9]
    assert np.array_equal(data.images[0][:, 1:7], array(0, 12, 6)[:, 2:10].transpose(2, 0, 1))


def test_lsun_reads_its_lmdb(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lmdb = pytest.importorskip("lmdb")
    monkeypatch.setattr(lsun_bedroom, "TEST", 3)
    with lmdb.open(str(tmp_path / "in"), map_size=2**24) as env, env.begin(write=True) as transaction:
        for i in range(10):
            transaction.put(f"key{i}".encode(), encoded(i, kind="WEBP"))
    data = planned(store, "data=lsun_bedroom", f"data.path={tmp_path / 'in'}")
    assert np.array_equal(data.images[4], chw(4)) and data.test.tolist() == [7, 8, 9]


def test_an_lmdb_without_the_package_says_what_to_install(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.mdb").touch()
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match="pip install lmdb"):
        planned(store, "data=lsun_bedroom", f"data.path={tmp_path / 'in'}")
