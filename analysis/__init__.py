"""Analysis of a store's runs, without torch: store -> frames -> estimates -> tables and figures -> page.

`load` and `load_rows` read a store into frames; `python -m analysis.report` writes the page.
"""

from analysis.loading.runs import Collected, collect, load, load_rows

__all__ = ["Collected", "collect", "load", "load_rows"]
