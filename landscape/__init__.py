"""Training and scoring of a single run: losses, penalties, networks, data, metrics and the store.

`config`, `scores`, `store`, `data` and `tracking` do not import torch, so planning and reporting start fast.
"""

__version__ = "0.2.0"
