"""What one run is and does: losses, penalties, networks, data, training, scores and the store.

Only the modules that compute import torch; `store`, `config`, `identity` and `data` do not, so that
planning and reporting stay light.
"""

__version__ = "0.2.0"
