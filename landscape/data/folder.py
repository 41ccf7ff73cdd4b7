"""Any folder or zip of images. Class sub-folders become labels; train/ and test/ become the split."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data.decode import decode
from landscape.data.image_decoding import pixels
from landscape.data.image_files import Listing, joined, list_pictures
from landscape.data.sizes import one_side
from landscape.data.source import Contents, Source
from landscape.store import Store

SPLITS = {"train", "test"}


def folder_source(data: Data, store: Store) -> Source:
    """The images at `data.path`.

    The split is that of the top folders where these are exactly train/ and test/, or of `data.path` and
    `data.test_path`; else `data.test_share` of the images (of each class) are drawn for testing with a fixed seed.
    """
    listing = _listing(data)
    if data.test_path is None and _is_split(listing):
        # Training images first, as from two paths: the same images in the same split are then the same data.
        entries = dict(sorted(listing.entries.items(), key=lambda entry: entry[0].startswith("test/")))
        listing = replace(listing, entries=entries)
    options = {"test_share": data.test_share}
    return pictures_source(data, listing, options, lambda: _arrange(listing, data.test_share))


def folder_side(data: Data, store: Store) -> int:
    """The side of the images at `data.path`, where all have one; raises `UserError`."""
    return one_side(_listing(data), store)


def _listing(data: Data) -> Listing:
    listing = list_pictures(given_path(data))
    return listing if data.test_path is None else joined(listing, list_pictures(data.test_path, "data.test_path"))


def given_path(data: Data) -> str:
    """`data.path`; raises `UserError` where it is null."""
    if data.path is None:
        raise UserError(f"data.path must be given: the folder or zip that holds the images of data={data.kind}")
    return data.path


def pictures_source(data: Data, listing: Listing, options: dict[str, Any], arrange: Any) -> Source:
    """A source whose images are a listing's; `arrange()` gives labels, classes, train and test indices."""
    channels = data.channels or 3

    def contents() -> Contents:
        labels, classes, train, test = arrange()
        if not len(train) or not len(test):
            raise UserError(f"data={data.kind} needs an image to train on and one to test with at least")
        picture = partial(pixels, side=data.size, channels=channels, resize=data.resize)
        shape = (len(listing.entries), channels, data.size, data.size)
        return Contents(shape, labels, train, test, classes, partial(decode, listing, picture))

    asked = {"kind": data.kind, "size": data.size, "channels": channels, "resize": data.resize}
    return Source(data.name or data.kind, {**asked, **options, "files": listing.stamp}, contents)


def _is_split(listing: Listing) -> bool:
    """Whether the top folders are train/ and test/ and nothing lies beside them."""
    return {name.partition("/")[0] if "/" in name else "" for name in listing.entries} == SPLITS


Arranged = tuple[np.ndarray | None, tuple[str, ...], np.ndarray, np.ndarray]


def _arrange(listing: Listing, share: float | None) -> Arranged:
    """Labels (or None), their names, and the indices for training and testing."""
    names = list(listing.entries)
    if _is_split(listing):
        is_test = np.array([name.startswith("test/") for name in names])
        labels, classes = _labels([name.partition("/")[2] for name in names])
        train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        if labels is not None:
            unknown = sorted({classes[c] for c in set(labels[test]) - set(labels[train])})
            if unknown:
                raise UserError(f"the test images have a class that the training images have not: {unknown[0]}")
        return labels, classes, train, test
    labels, classes = _labels(names)
    assert share is not None, "checked at planning"
    groups = np.zeros(len(names), np.int64) if labels is None else labels
    test = _drawn(groups, share)
    return labels, classes, np.setdiff1d(np.arange(len(names)), test), test


def _labels(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The first folder of each name as its class, numbered in alphabetical order; None where there are no folders."""
    tops = [name.partition("/")[0] if "/" in name else None for name in names]
    loose = [name for name, top in zip(names, tops, strict=True) if top is None]
    if len(loose) == len(names):
        return None, ()
    if loose:
        raise UserError(
            f"{len(loose)} of {len(names)} images lie beside class folders instead of in one: the first is {loose[0]}"
        )
    classes = sorted({top for top in tops if top is not None})
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[top] for top in tops if top is not None], dtype=np.int64), tuple(classes)


def _drawn(groups: np.ndarray, share: float) -> np.ndarray:
    """Sorted indices of `share` of each group, rounded, at least one of a group that has two."""
    rng = np.random.Generator(np.random.PCG64(0))
    chosen = []
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        chosen.append(members[: min(len(members) - 1, max(1, round(share * len(members))))])
    return np.sort(np.concatenate(chosen))
