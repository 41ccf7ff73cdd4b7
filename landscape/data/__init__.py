"""The data sets, by name, as arrays; no torch here, so that planning can hash what training will see.

Two kinds: those of `DATASETS` come with the package and are made on the spot; those of `SOURCES` are files of the
user's, decoded once into the store's cache. Adding one is a file like `landscape/data/digits.py` or
`landscape/data/celebahq128.py`, a row of its table, a file in `conf/data`, a row in
`tests/landscape/data/test_data.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from landscape.config.errors import CorruptFile, UserError
from landscape.config.registry import lookup
from landscape.config.schema import Data
from landscape.data.celebahq128 import celebahq128_source
from landscape.data.cifar10 import cifar10_source
from landscape.data.dataset import Dataset
from landscape.data.decode_cache import find, open_cached
from landscape.data.digits import load_digits
from landscape.data.folder import folder_side, folder_source
from landscape.data.lsun_bedroom import lsun_bedroom_source
from landscape.data.mixtures import load_grid, load_ring
from landscape.data.source import Source
from landscape.store import Store

DATASETS: dict[str, Callable[[Data], Dataset]] = {"digits": load_digits, "grid": load_grid, "ring": load_ring}
SOURCES: dict[str, Callable[[Data, Store], Source]] = {
    "celebahq128": celebahq128_source,
    "cifar10": cifar10_source,
    "folder": folder_source,
    "lsun_bedroom": lsun_bedroom_source,
}
SIDES: dict[str, Callable[[Data, Store], int]] = {"folder": folder_side}  # of kinds that may be given without a size


def find_data(data: Data, store: Store, thorough: bool = False) -> Dataset:
    """The data set that a planner's `data` asks for, decoded into the store's cache first where it must be.

    Raises `UserError` for an unknown kind and for what is wrong with the files.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    if data.kind in DATASETS:
        return DATASETS[data.kind](data)
    return find(SOURCES[data.kind](data, store), store, thorough)


def find_side(data: Data, store: Store) -> int | None:
    """The side of the images of a planner's `data` that has no size; None where its kind must be given one.

    Raises `UserError` for an unknown kind, for what is wrong with the files, and where they have no one side.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    return SIDES[data.kind](data, store) if data.kind in SIDES else None


def load_data(data: Data, store: Store | None = None) -> Dataset:
    """The data set of a frozen `data`: made, or opened from the store's cache by its digest, whatever its path.

    Raises `UserError` for an unknown kind, and where the cache holds it no more or damaged.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    if data.kind in DATASETS:
        return DATASETS[data.kind](data)
    assert store is not None and data.content is not None, "a planned run has both"
    try:
        return open_cached(store, data.content, data.name or data.kind)
    except (FileNotFoundError, CorruptFile, ValueError, KeyError) as e:
        raise UserError(
            f"the decoded images of data={data.name or data.kind} cannot be had from the store ({e}); "
            "the sweep's command given again decodes them again"
        ) from e


__all__ = ["DATASETS", "SOURCES", "Dataset", "find_data", "find_side", "load_data"]
