"""Things made once and shared: whoever needs one first makes it, the others wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.locks import locked
from landscape.training import checkpoint

logger = logging.getLogger(__name__)


def once(store: Store, kind: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The cached content of `kind` and `key` (tensors and plain values), made by `make` where it is absent.

    Its digest is checked on reading; a damaged file is made again.
    """
    path = store.cached(kind, key, ".pt")

    def waiting() -> None:
        logger.info(f"another process uses or makes this {kind}; waiting for it")

    with locked(store.lock_file(kind, key), waiting):
        try:
            return checkpoint.load(path)
        except FileNotFoundError:
            pass
        except CorruptFile as e:
            logger.warning(f"{e}; it is made again")
        content = make()
        checkpoint.save(path, content)
        return checkpoint.load(path)
