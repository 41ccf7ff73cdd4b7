"""The size of a folder's images, read from their headers and cached."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np

from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import short_hash
from landscape.config.schema import MAX_SIDE
from landscape.data.decode import decode
from landscape.data.image_decoding import displayed_size
from landscape.data.image_files import Listing
from landscape.data.progress import progress
from landscape.store import Store
from landscape.store.atomic_io import read_json, to_json, write_whole

Sizes = dict[tuple[int, int], int]  # (width, height) -> number of images, most frequent first

VERSION = 1  # of the reading of sizes
MAX_SHOWN = 5  # sizes listed in an error
USUAL = (128, 64, 32, 16, 8)  # sides that networks support


def common_side(listing: Listing, store: Store) -> int:
    """The side of the images if all are square and of one size. Raises `UserError` with the sizes and a suggestion."""
    sizes = _sizes(listing, store)
    (width, height), total = next(iter(sizes)), sum(sizes.values())
    if len(sizes) > 1:
        named = ", ".join(f"{count} of {w}x{h}" for (w, h), count in list(sizes.items())[:MAX_SHOWN])
        more = len(sizes) - MAX_SHOWN
        found = f"are not of one size ({named}{f' and {more} more sizes' if more > 0 else ''})"
    elif width != height:
        found = f"are of {width}x{height}, which is not square"
    elif width > MAX_SIDE:
        found = f"are of {width}x{height}, above the largest side {MAX_SIDE}"
    else:
        return width
    fits = next((side for side in USUAL if side <= min(width, height)), USUAL[-1])
    raise UserError(
        f"data.size is needed, because the {total} images {found}; set data.size and data.resize (crop, stretch or "
        f"crop_or_pad), such as data.size={fits} data.resize=crop"
    )


def _sizes(listing: Listing, store: Store) -> Sizes:
    file = store.cached("sizes", short_hash({"version": VERSION, "files": listing.stamp}), ".json")
    with suppress(FileNotFoundError, CorruptFile, KeyError, TypeError, ValueError):
        kept = {(int(width), int(height)): int(count) for width, height, count in read_json(file)["sizes"]}
        if sum(kept.values()) == len(listing.entries) and all(count > 0 for count in kept.values()):
            return kept
    counts: Counter[tuple[int, int]] = Counter()
    with progress("reading the images' sizes", len(listing.entries)) as advance:
        for block in decode(listing, lambda encoded: np.array(displayed_size(encoded)), advance):
            counts.update((int(width), int(height)) for width, height in block)
    found = dict(sorted(counts.items(), key=lambda size: (-size[1], size[0])))
    with suppress(OSError):  # only a cache; later writers report an unwritable store
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, to_json({"sizes": [[*size, count] for size, count in found.items()]}))
    return found
