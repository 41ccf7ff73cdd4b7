"""The data sets, by name, as arrays; no torch here, so that planning can hash what training will see.

Adding one is a file like `landscape/data/digits.py`, a row of `DATASETS`, a file in `conf/data`, a row in
`tests/test_data.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from landscape.config import Data
from landscape.data.dataset import Dataset
from landscape.data.digits import load_digits
from landscape.registry import lookup

DATASETS: dict[str, Callable[[Data], Dataset]] = {"digits": load_digits}


def load_data(data: Data) -> Dataset:
    """The data set that `data` asks for; raises `UserError` naming the known kinds."""
    return lookup("data.kind", data.kind, DATASETS)(data)


__all__ = ["DATASETS", "Dataset", "load_data"]
