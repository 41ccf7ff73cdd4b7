"""Data sets from any folder or zip of images. Class subfolders give labels; train/ and test/ give the split."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data.decode import decode
from landscape.data.image_decoding import decode_image
from landscape.data.image_files import Listing, join_listings, list_pictures
from landscape.data.sizes import common_side
from landscape.data.source import Contents, Source
from landscape.store import Store

SPLITS = {"train", "test"}


def folder_source(data: Data, store: Store) -> Source:
    """The images at `data.path`.

    The split: top folders train/ and test/ if there are exactly these, else `data.path` and `data.test_path`, else a
    random `data.test_share` of the images of each class (fixed seed).
    """
    listing = _listing(data)
    if data.test_path is None and _is_split(listing):
        # Training images first, so that one path and two paths with the same images give the same data set.
        entries = dict(sorted(listing.entries.items(), key=lambda entry: entry[0].startswith("test/")))
        listing = replace(listing, entries=entries)
    options = {"test_share": data.test_share}
    return pictures_source(data, listing, options, lambda: _arrange(listing, data.test_share))


def folder_side(data: Data, store: Store) -> int:
    """The common side of the images at `data.path`. Raises `UserError` if there is none."""
    return common_side(_listing(data), store)


def _listing(data: Data) -> Listing:
    listing = list_pictures(given_path(data))
    if data.test_path is None:
        return listing
    return join_listings(listing, list_pictures(data.test_path, "data.test_path"))


def given_path(data: Data) -> str:
    """`data.path`. Raises `UserError` if it is null."""
    if data.path is None:
        raise UserError(f"data={data.kind} needs data.path: a folder or zip of images")
    return data.path


def pictures_source(data: Data, listing: Listing, options: dict[str, Any], arrange: Any) -> Source:
    """A source whose images are those of a listing. `arrange()` returns labels, classes, train and test indices."""
    channels = data.channels or 3

    def contents() -> Contents:
        labels, classes, train, test = arrange()
        if not len(train) or not len(test):
            raise UserError(f"data={data.kind} needs at least one training image and one test image")
        picture = partial(decode_image, side=data.size, channels=channels, resize=data.resize)
        shape = (len(listing.entries), channels, data.size, data.size)
        return Contents(shape, labels, train, test, classes, partial(decode, listing, picture))

    asked = {"kind": data.kind, "size": data.size, "channels": channels, "resize": data.resize}
    return Source(data.name or data.kind, {**asked, **options, "files": listing.stamp}, contents)


def _is_split(listing: Listing) -> bool:
    """Whether the top level is exactly train/ and test/."""
    return {name.partition("/")[0] if "/" in name else "" for name in listing.entries} == SPLITS


LabelsAndSplit = tuple[np.ndarray | None, tuple[str, ...], np.ndarray, np.ndarray]


def _arrange(listing: Listing, share: float | None) -> LabelsAndSplit:
    """Labels (or None), class names, and the indices for training and testing."""
    names = list(listing.entries)
    if _is_split(listing):
        is_test = np.array([name.startswith("test/") for name in names])
        labels, classes = _labels([name.partition("/")[2] for name in names])
        train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        if labels is not None:
            unknown = sorted({classes[c] for c in set(labels[test]) - set(labels[train])})
            if unknown:
                raise UserError(f"class {unknown[0]} has test images but no training images")
        return labels, classes, train, test
    labels, classes = _labels(names)
    assert share is not None, "checked at planning"
    groups = np.zeros(len(names), np.int64) if labels is None else labels
    test = _drawn(groups, share)
    return labels, classes, np.setdiff1d(np.arange(len(names)), test), test


def _labels(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Class of each name (its first folder, numbered alphabetically) and class names; None if there are no folders."""
    tops = [name.partition("/")[0] if "/" in name else None for name in names]
    loose = [name for name, top in zip(names, tops, strict=True) if top is None]
    if len(loose) == len(names):
        return None, ()
    if loose:
        raise UserError(f"{len(loose)} of {len(names)} images are not in a class folder: the first is {loose[0]}")
    classes = sorted({top for top in tops if top is not None})
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[top] for top in tops if top is not None], dtype=np.int64), tuple(classes)


def _drawn(groups: np.ndarray, share: float) -> np.ndarray:
    """Sorted indices of a random `share` of each group: rounded, at least one of a group of two or more."""
    rng = np.random.Generator(np.random.PCG64(0))
    chosen = []
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        chosen.append(members[: min(len(members) - 1, max(1, round(share * len(members))))])
    return np.sort(np.concatenate(chosen))
