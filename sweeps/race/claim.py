"""An answer as the record of it in the store, which status, watch and the report's page read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from landscape.store.races import Bars, Claim, Leaver, Near, Seen
from sweeps.race.answer import Answer, sentence
from sweeps.race.question import Question


def claim_of(question: Question, found: Answer, names: Sequence[str], place: int = 1) -> Claim:
    """The claim of the `place`-th question of a race between cells of these names."""
    return Claim(
        state=found.state,
        sentence=sentence(question, found, names),
        rounds=found.rounds,
        spent=found.spent,
        winner=found.winner,
        kind=found.kind,
        out=tuple(Leaver(one.cell, one.round, one.by, kind=one.kind) for one in found.out),
        pairs=[list(pair) for pair in found.pairs],
        stands=[list(pair) for pair in found.stands],
        ranking=list(found.ranking),
        near=tuple(Near(one.cell, one.factor, one.kind) for one in found.factors if math.isfinite(one.factor)),
        hours=found.hours,
        counted=list(found.counted),
        question=place - 1,
        bars=Bars(question.bar, question.certificate, question.certificate_of_pairs),
        looks=tuple(
            Seen(
                look.round,
                look.spent,
                look.hours,
                [[cell, value if math.isfinite(value) else None] for cell, value in look.quantiles],
                [[a, b, round(value, 3)] for a, b, value in look.evidence],
            )
            for look in found.looks
        ),
    )
