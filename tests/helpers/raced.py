"""A race made up for tests: its runs, with scores, and the record of it."""

from __future__ import annotations

import numpy as np
import synthetic

from landscape.config.identity import setting_of, short_hash
from landscape.store import DIVERGED, DONE, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.races import Asked, Contender, Race, Ticket
from sweeps.race.answer import answer
from sweeps.race.claim import claim_of
from sweeps.race.question import Question

NAME = "demo-race-0123456789abcdef"
RATIOS = (1.0, 1.25, 1.5, 2.2)


def raced(store: Store, asked: Asked, rounds: int = 30, ratios: tuple[float, ...] = RATIOS, lost: float = 0.05) -> Race:
    """So many cells raced until the question is answered, or for so many rounds; half an hour a run."""
    rng, cells = np.random.default_rng(3), synthetic.CELLS[: len(ratios)]
    question = Question.of(asked, len(cells))
    outcome = np.array(ratios)[:, None] * 30 * np.exp(0.4 * rng.normal(size=(len(cells), 240)))
    outcome[rng.random(outcome.shape) < lost] = np.inf
    have = [0] * len(cells)
    for _ in range(rounds):
        drawn = [list(of[:n]) for of, n in zip(outcome, have, strict=True)]
        found = answer(question, drawn, [[0.5] * n for n in have])
        if found.ended:
            break
        have = list(found.wanted)
    tickets = []
    for number, n in enumerate(have):
        for order in range(n):
            value = float(outcome[number, order])
            config = synthetic.config(*cells[number], seed=order)
            scores = [300.0, None if value == np.inf else value]
            run = synthetic.add_run(store, scores, config, DIVERGED if value == np.inf else DONE)
            tickets.append(Ticket(number, order, run.id, None if value == np.inf else value, 0.5))
    words = [f"loss={loss} reg={reg}" + f" norm={norm}" * (norm != "none") for loss, reg, norm in cells]
    contenders = [
        Contender(name, short_hash(setting_of(synthetic.config(*cell))))
        for name, cell in zip(words, cells, strict=True)
    ]
    drawn = [list(of[:n]) for of, n in zip(outcome, have, strict=True)]
    found = answer(question, drawn, [[0.5] * n for n in have])
    claim = claim_of(question, found, words)
    race = Race(tuple(contenders), (asked,), tuple(tickets), claim, "FD (classifier)")
    synthetic.add_sweep(store, NAME, ["-m", "loss=ns,wgan"], [ticket.run for ticket in tickets])
    write_whole(store.sweep(NAME).race_file, to_json(race.to_json()))
    return race
