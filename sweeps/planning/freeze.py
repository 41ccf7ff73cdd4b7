"""Writes a plan into the store: frozen runs, requests for scores, and the sweep's plan.json."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from landscape.config.axes import axes_of
from landscape.config.errors import CorruptFile
from landscape.store import PLANNED, RunFolder, RunStatus, Store
from landscape.store.atomic_io import to_json, to_yaml, write_whole
from landscape.store.plan_record import PlanRecord
from landscape.store.protocols import EvalRequest
from landscape.store.provenance import code
from landscape.store.run_meta import Origin, RunMeta, RunOrigin
from sweeps.planning.plan import NOTHING, UNREADABLE, Plan, Planned, execution
from sweeps.planning.search_spec import write_searches


def freeze(plan: Plan) -> set[str]:
    """Write a plan into its store: new run folders, new requests for scores, and the sweep's plan.json.

    Returns the ids of the runs that it created.
    """
    store, name = plan.store, plan.name
    store.check_writable()
    code()  # cached once, before the threads need it
    with ThreadPoolExecutor(16) as threads:  # limited by the disk, not the CPU
        made = list(threads.map(lambda planned: freeze_run(store, planned, plan.command, name), plan.runs))
    file = store.sweep(name).plan_file
    file.parent.mkdir(parents=True, exist_ok=True)
    record = PlanRecord(
        command=plan.command,
        study=plan.study,
        stage=plan.stage,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        code=code(),
        launcher=plan.runs[0].config["launcher"],
        execution=execution(plan.runs[0]),
        runs=[run.id for run in plan.runs],
    )
    write_whole(file, to_json(record.to_json()), alone=True)
    if plan.searches:
        write_searches(store, name, plan.search["storage"], plan.searches)
    return {planned.id for planned, created in zip(plan.runs, made, strict=True) if created}


def freeze_run(store: Store, planned: Planned, by: list[str] | str, sweep: str) -> bool:
    """Write a run's folder if there is none, and requests for the scores that it lacks; returns whether it is new.

    `by` is the command that planned the run, or the sampler that proposed it as a trial.
    """
    run, created = store.run(planned.id), False
    if planned.state == UNREADABLE:
        return False
    if not run.exists():
        overrides = planned.fixed + planned.picked
        if isinstance(by, str):
            origin, line = RunOrigin(kind=Origin.SEARCH, sampler=by), None
        else:
            origin, line = RunOrigin(kind=Origin.COMMAND), by
        meta = RunMeta(overrides=overrides, origin=origin, command=line, sweep=sweep, planned=code())
        status = RunStatus(state=PLANNED, axes=axes_of(planned.config))
        if planned.shorter is not None:
            with suppress(OSError, CorruptFile):  # its files were removed since: then the run begins at its start
                created = run.create(planned.config, meta, status, planned.shorter)
        if not run.exists():
            created = run.create(planned.config, meta, status)
        planned.state = PLANNED
    if planned.need != NOTHING:
        add_requests(run, planned.asked)
    return created


def add_requests(run: RunFolder, wanted: list[EvalRequest]) -> None:
    """Write requests for scores that the run's own configuration does not include."""
    own = EvalRequest.of(run.config())
    for asked in wanted:
        if own is not None and own.id == asked.id and set(asked.scores) <= set(own.scores):
            continue
        file = run.request_file(asked.id)
        before = run.read_request(file).scores if file.exists() else ()
        run.requests.mkdir(exist_ok=True)
        write_whole(file, to_yaml(replace(asked, scores=sorted({*before, *asked.scores})).to_json()))
