"""The runs of a sweep: those of its plan, and the trials of its searches so far."""

from __future__ import annotations

from landscape.config.errors import CorruptFile
from landscape.store import Store, SweepFolder


class SweepRuns:
    """The runs of a sweep, or of the whole store if `folder` is None. A search adds runs while it runs."""

    def __init__(self, store: Store, folder: SweepFolder | None) -> None:
        self.store, self.folder = store, folder
        self.name = None if folder is None else folder.name
        self.not_in_sweep: set[str] = set()
        self.stage = "all"  # of the sweep's newest command
        self.planned: list[str] = []  # the runs of its grid

    @property
    def searches(self) -> bool:
        """Whether the sweep has searches."""
        return self.name is not None and self.store.search_file(self.name).exists()

    def ids(self) -> list[str]:
        """Run ids in the order of the plan, then of the trials; raises `CorruptFile`."""
        if self.folder is None:
            return self.store.run_ids()
        plan = self.folder.plan()
        self.stage, self.planned = plan.stage, list(plan.runs)
        if not self.searches:
            return self.planned
        from landscape.store.trials import read_rows

        assert self.name is not None
        found = self.planned + [row.run for row in read_rows(self.store, self.name)]
        return list(dict.fromkeys([*found, *self._unrecorded(set(found))]))

    def _unrecorded(self, known: set[str]) -> list[str]:
        """Running trials, which are recorded only once they have a value. Each run's meta.json is read once."""
        found = []
        for run in self.store.run_ids():
            if run in known or run in self.not_in_sweep:
                continue
            try:
                mine = self.store.run(run).meta().sweep == self.name
            except (CorruptFile, OSError):
                mine = False
            if mine:
                found.append(run)
            else:
                self.not_in_sweep.add(run)
        return found

    def trials(self) -> tuple[int, dict[str, str]]:
        """The number of trials left in its searches, and run id -> reason for trials that were given up."""
        names = self.store.searches() if self.name is None else [self.name] * self.searches
        if not names:
            return 0, {}
        from landscape.store.trials import read_rows
        from sweeps.planning.search_spec import MAX_FAILURES, trials_left

        rows = []
        for name in names:
            try:
                rows += read_rows(self.store, name)
            except CorruptFile:
                if self.name is not None:  # of one of many sweeps
                    raise
        left = 0 if self.name is None else trials_left(self.store, self.name, rows=rows)
        return left, {row.run: row.why or f"failed {MAX_FAILURES} times" for row in rows if row.failed}
