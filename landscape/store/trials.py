"""`trials.jsonl`: where each run of a sweep came from, a row a run, in the order asked.

    {"run": id, "cell": {...}, "stage": "grid" | "search" | "confirm", "sampler": "gp" | ... | null, "order": int,
     "round": int | null, "value": float | null, "diverged": bool, "search": id | null}

`order` counts from 0 within the grid, within one search, within one confirmation; `value` is the logarithm of the
distance (of a diverged run's at step 0), null while it is not known. All of it can be derived again from the store and
the searches' storage, so a row is replaced, never appended twice.
"""

from __future__ import annotations

import json
from typing import Any

from landscape.store.atomic_io import write_whole
from landscape.store.locks import locked
from landscape.store.store import Store

Row = dict[str, Any]


def row(
    run: str,
    cell: dict[str, Any],
    stage: str,
    order: int,
    sampler: str | None = None,
    round_: int | None = None,
    value: float | None = None,
    diverged: bool = False,
    search: str | None = None,
    failed: bool = False,
    why: str | None = None,
) -> Row:
    """A row of the record; `failed` is a trial that was given up, and has no value, and `why` says for what."""
    return {
        "run": run,
        "cell": cell,
        "stage": stage,
        "sampler": sampler,
        "order": order,
        "round": round_,
        "value": value,
        "diverged": diverged,
        "search": search,
        **({"failed": True} if failed else {}),
        **({"why": why} if failed and why else {}),
    }


def read_rows(store: Store, sweep: str) -> list[Row]:
    """The rows of a sweep's record; none where there is no file. Raises `CorruptFile`."""
    return store.sweep(sweep).trials()


def put_rows(store: Store, sweep: str, new: list[Row]) -> None:
    """Put rows into a sweep's record in the place of those of the same part (stage and search).

    A run that the grid has stays with it in a confirmation; each trial of a search has its row, for a search may
    propose what was tried before, and its budget counts that.
    """
    parts = {(r["stage"], r["search"]) for r in new}
    with locked(store.search_storage(sweep, ".record.lock")):
        kept = [r for r in read_rows(store, sweep) if (r["stage"], r["search"]) not in parts]
        rows, known = [], set[str]()
        for r in sorted([*kept, *new], key=_place):
            if r["stage"] == "search" or r["run"] not in known:
                rows.append(r)
            known.add(r["run"])
        text = "".join(json.dumps(r) + "\n" for r in rows)
        store.trials_file(sweep).parent.mkdir(parents=True, exist_ok=True)
        write_whole(store.trials_file(sweep), text)


def is_settled(r: Row) -> bool:
    """Whether nobody works on a trial any more: it has a value, or it was given up."""
    return r["value"] is not None or bool(r.get("failed"))


def _place(r: Row) -> tuple[int, str, int]:
    return ("grid", "search", "confirm").index(r["stage"]), r["search"] or "", r["order"]
