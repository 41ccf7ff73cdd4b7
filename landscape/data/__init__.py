"""Data sets by name, as arrays. No torch, so that planning can hash the training data.

Data sets in `DATASETS` come with the package and are made in memory. Those in `SOURCES` are the user's files, decoded
once into the store's cache. A new one needs a file like `landscape/data/digits.py` or `landscape/data/celebahq128.py`,
a row of its table, a file in `conf/data`, and a row in `tests/landscape/data/test_data.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from landscape.config.errors import CorruptFile, UserError
from landscape.config.registry import lookup
from landscape.config.schema import Data
from landscape.data.celebahq128 import celebahq128_source
from landscape.data.cifar10 import cifar10_source
from landscape.data.dataset import Dataset
from landscape.data.decode_cache import find_or_decode, open_cached
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
SIDES: dict[str, Callable[[Data, Store], int]] = {"folder": folder_side}  # kinds whose size can be read from the files


def find_data(data: Data, store: Store, thorough: bool = False) -> Dataset:
    """The data set of a `data` config at planning. Decodes it into the store's cache if necessary.

    `thorough`: verify every byte of a cached data set. Raises `UserError` for an unknown kind or bad files.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    if data.kind in DATASETS:
        return DATASETS[data.kind](data)
    return find_or_decode(SOURCES[data.kind](data, store), store, thorough)


def find_side(data: Data, store: Store) -> int | None:
    """The image side in pixels of a `data` config without a size; None if its kind needs one.

    Raises `UserError` for an unknown kind, bad files, or images of several sizes.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    return SIDES[data.kind](data, store) if data.kind in SIDES else None


def load_data(data: Data, store: Store | None = None) -> Dataset:
    """The data set of a frozen `data` config: made in memory, or opened from the store's cache by its digest.

    Raises `UserError` for an unknown kind, and if the cached data are missing or damaged.
    """
    lookup("data.kind", data.kind, {**DATASETS, **SOURCES})
    if data.kind in DATASETS:
        return DATASETS[data.kind](data)
    assert store is not None and data.content is not None, "a planned run has both"
    try:
        return open_cached(store, data.content, data.name or data.kind)
    except (FileNotFoundError, CorruptFile, ValueError, KeyError) as e:
        raise UserError(
            f"the decoded images of data={data.name or data.kind} cannot be read from the store ({e}); "
            "run the sweep's command again to decode them again"
        ) from e


__all__ = ["DATASETS", "SOURCES", "Dataset", "find_data", "find_side", "load_data"]
