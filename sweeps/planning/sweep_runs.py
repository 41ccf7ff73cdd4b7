"""Which runs a sweep has: those of its plan, and where cells are searched, the trials so far."""

from __future__ import annotations

from landscape.config.errors import CorruptFile
from landscape.store import Store, SweepFolder


class Members:
    """The runs of a sweep, which grow while it searches, or of the whole store where `folder` is None."""

    def __init__(self, store: Store, folder: SweepFolder | None) -> None:
        self.store, self.folder = store, folder
        self.name = None if folder is None else folder.name
        self.strangers: set[str] = set()
        self.stage = "all"  # that the sweep's newest command asked for
        self.planned: list[str] = []  # the runs of its grid

    @property
    def searches(self) -> bool:
        return self.name is not None and self.store.search_file(self.name).exists()

    def ids(self) -> list[str]:
        """In the order of the plan, then of the trials; raises `CorruptFile`."""
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
        """Trials under way, which the record names only once they are told. Each run's origin is read once."""
        found = []
        for run in self.store.run_ids():
            if run in known or run in self.strangers:
                continue
            try:
                mine = self.store.run(run).meta().sweep == self.name
            except (CorruptFile, OSError):
                mine = False
            if mine:
                found.append(run)
            else:
                self.strangers.add(run)
        return found

    def trials(self) -> tuple[int, dict[str, str]]:
        """How many trials of its searches are to go, and why the runs of those that were given up were."""
        names = self.store.searches() if self.name is None else [self.name] * self.searches
        if not names:
            return 0, {}
        from landscape.store.trials import read_rows
        from sweeps.planning.search_spec import TRIES, trials_left

        rows = []
        for name in names:
            try:
                rows += read_rows(self.store, name)
            except CorruptFile:
                if self.name is not None:  # one of many sweeps is not worth the view of the others
                    raise
        left = 0 if self.name is None else trials_left(self.store, self.name, rows=rows)
        return left, {row.run: row.why or f"failed {TRIES} times" for row in rows if row.failed}
