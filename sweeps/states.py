"""The states of a run as an observer sees them: those of the store, and four more."""

from __future__ import annotations

from landscape.store import STATES

LOST = "lost"  # running or queued in the store, but without a live worker or job
STALLED = "stalled"  # its worker is alive and makes no progress
SUPERSEDED = "superseded"  # unfinished, and a choice of it has changed its meaning: it is never trained further
TO_SCORE = "to score"  # done, but lacks scores that the command requests; shown only while a sweep runs
ALL_STATES = (*STATES, STALLED, LOST, SUPERSEDED)
