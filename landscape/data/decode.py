"""Many pictures to pixels: in order, by a few threads, a bounded number of them in memory."""

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

PIECE = 64  # pictures that a thread takes at a time


class Piece(NamedTuple):
    """Consecutive pictures: their pixels, and by name what is wrong with those that have none."""

    size: int
    good: list[np.ndarray]
    bad: list[tuple[str, BadPicture]]


def decode(listing: Listing, picture: Callable[[bytes], np.ndarray], advance: Advance) -> Iterator[np.ndarray]:
    """Blocks of uint8 (k, channels, side, side), in the listing's order.

    All pictures are looked at before `UserError` says how many are of a wrong size or broken, and names the first:
    mending a large set must not take one attempt a picture.
    """
    names = list(listing.entries)
    bad: list[tuple[str, BadPicture]] = []
    workers = cores()
    # Threads: Pillow decodes without the interpreter's lock. On tiny pictures they gain nothing and cost nothing.
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
    except Exception as e:  # a zip's own errors, its decompressors', the disk's
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
            "give data.resize=crop, stretch or crop_or_pad to bring them to it"
        )
    return "; ".join(parts)
