"""CelebA-HQ at 128 px: 30,000 unlabeled faces, of which the study trains on 27,000."""

from __future__ import annotations

import numpy as np

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data.folder import LabelsAndSplit, given_path, pictures_source
from landscape.data.image_files import list_pictures
from landscape.data.source import Source
from landscape.store import Store

COUNT = 30_000


def celebahq128_source(data: Data, store: Store) -> Source:
    """The images at `data.path` (folder or zip). The last tenth in name order is the test set.

    The study tested on the last 10 of its 100 shards; the assignment of images to shards is not documented.
    """
    listing = list_pictures(given_path(data))
    n = len(listing.entries)

    def arrange() -> LabelsAndSplit:
        if n != COUNT:
            raise UserError(f"CelebA-HQ has {COUNT} images, but {data.path} has {n}; data=folder accepts any number")
        train, test = np.split(np.arange(n), [n - n // 10])
        return None, (), train, test

    return pictures_source(data, listing, {}, arrange)
