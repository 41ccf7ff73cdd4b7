"""Cross-process cache in the store: the first process computes a value, others wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.locks import locked
from landscape.training import checkpoint

logger = logging.getLogger(__name__)


def compute_once(store: Store, kind: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The cached value (tensors and plain values) for `kind` and `key`, computed by `make` if missing.

    A value whose digest does not match is computed again.
    """
    path = store.cached(kind, key, ".pt")

    def waiting() -> None:
        logger.info(f"waiting for another process that computes this {kind}")

    with locked(store.lock_file(kind, key), waiting):
        try:
            return checkpoint.load(path)
        except FileNotFoundError:
            pass
        except CorruptFile as e:
            logger.warning(f"{e}; computing it again")
        content = make()
        checkpoint.save(path, content)
        return checkpoint.load(path)
