"""The states of a run as an observer sees them: those of the store, and three more."""

from __future__ import annotations

from landscape.store import STATES

LOST = "lost"  # not a state of the store, but what an observer makes of running and queued
STALLED = "stalled"  # nor is this: a run whose worker lives and makes no progress
TO_SCORE = "to score"  # done, but for scores that the command asks for; only a sweep under way shows it
ALL_STATES = (*STATES, STALLED, LOST)
