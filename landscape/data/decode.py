"""Parallel decoding of many images, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from landscape.config.errors import UserError
from landscape.config.hardware import cores
from landscape.data.image_decoding import BadPicture, WrongSize
from landscape.data.image_files import Listing
from landscape.data.source import Advance

PIECE = 64  # images per task of a thread


class Piece(NamedTuple):
    """Consecutive images: decoded arrays, and the errors of those that failed, by name."""

    size: int
    good: list[np.ndarray]
    bad: list[tuple[str, BadPicture]]


def decode(listing: Listing, picture: Callable[[bytes], np.ndarray], advance: Advance) -> Iterator[np.ndarray]:
    """Yields uint8 blocks (k, channels, side, side) in the listing's order.

    All images are checked before a `UserError` reports how many are broken or of the wrong size, and names the first.
    """
    names = list(listing.entries)
    bad: list[tuple[str, BadPicture]] = []
    workers = cores()
    # Threads suffice, because Pillow releases the GIL while decoding.
    with listing.opened() as read, ThreadPoolExecutor(workers) as pool:

        def work(part: list[str]) -> Piece:
            piece = Piece(len(part), [], [])
            for name in part:
                try:
                    piece.good.append(picture(_read(read, listing.entries[name])))
                except BadPicture as e:
                    piece.bad.append((name, e))
            return piece

        def finished(future: Future[Piece]) -> Iterator[np.ndarray]:
            piece = future.result()
            advance(piece.size)
            bad.extend(piece.bad)
            if not bad:
                yield np.stack(piece.good)

        waiting: deque[Future[Piece]] = deque()
        for start in range(0, len(names), PIECE):
            waiting.append(pool.submit(work, names[start : start + PIECE]))
            if len(waiting) > 2 * workers:
                yield from finished(waiting.popleft())
        while waiting:
            yield from finished(waiting.popleft())
    if bad:
        raise UserError(_complaint(bad, len(names)))


def _read(read: Callable[[object], bytes], entry: object) -> bytes:
    try:
        return read(entry)
    except Exception as e:  # errors of the zip, its decompressor, or the disk
        raise BadPicture(" ".join(str(e).split()) or type(e).__name__) from e


def _complaint(bad: list[tuple[str, BadPicture]], total: int) -> str:
    sizes = [(name, e) for name, e in bad if isinstance(e, WrongSize)]
    broken = [(name, e) for name, e in bad if not isinstance(e, WrongSize)]
    parts = []
    if broken:
        name, reason = broken[0]
        parts.append(f"{len(broken)} of {total} images cannot be read: the first is {name} ({reason})")
    if sizes:
        name, size = sizes[0]
        parts.append(
            f"{len(sizes)} of {total} images are not of data.size: the first is {name} ({size}); "
            "set data.resize=crop, stretch or crop_or_pad to resize them"
        )
    return "; ".join(parts)
