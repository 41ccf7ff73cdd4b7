"""Finished runs: store -> tidy frame -> estimator -> figure -> page. No torch.

`load` and `load_rows` give frames; `budget` turns arrays into numbers; `figures` draws on an axis that it is
given; `python -m analysis.report` puts all of it on one page.
"""

from analysis.loading.runs import Collected, collect, load, load_rows

__all__ = ["Collected", "collect", "load", "load_rows"]
