"""Races: which cell is best, looked at while it trains. The statistic, its thresholds, elimination, and replay.

A race decides what is trained next, so it belongs to `sweeps`, between planning and the commands. The report does not
compute it again: what a race has claimed stands in a record of the store (`landscape.store.race`), which the page
reads as it reads everything else. Only what an answer costs (`power`) is simulated by the report too. No torch.
"""
