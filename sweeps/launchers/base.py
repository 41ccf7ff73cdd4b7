"""What a launcher is: where the runs of a plan are trained, and everything that is asked about that.

A launcher is one file with a subclass of `Launcher`, a row of `sweeps.launchers.registry`, and a YAML file in
`conf/launcher/`. One that trains while its command lives is a subclass of `sweeps.launchers.here.HereLauncher`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from landscape.store import Store, SweepFolder
from sweeps.launchers import estimate
from sweeps.monitor import Scheduler
from sweeps.planning.plan import Plan


class Launcher(Scheduler, ABC):
    """The launcher of one command; `keys` is the group `launcher` of its configuration."""

    attached: ClassVar[bool]  # whether its command lives until the runs have ended

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self.keys = keys

    def check(self, plan: Plan) -> None:  # most can do all that is asked
        """Raise `UserError`, before anything is written, where it cannot do what the plan asks for."""

    def shell_lines(self) -> list[str]:
        """What of the configuration a shell would run."""
        return []

    def describe(self, plan: Plan) -> list[str]:
        """What it would do, for `plan`; nothing where that goes without saying."""
        return []

    def warnings(self, plan: Plan) -> list[str]:
        """What speaks against doing it here."""
        return []

    @abstractmethod
    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        """Freeze a plan and have what it lacks trained: its grid, and its searches; the exit code."""

    @abstractmethod
    def resubmit(self, store: Store, folder: SweepFolder, wanted: set[str], accepted: bool) -> int:
        """Have these runs of a stored sweep trained again, as its newest command wanted; the exit code.

        `accepted`: the shell lines that the store holds were seen, and may run.
        """

    @abstractmethod
    def processor(self, config: dict[str, Any]) -> tuple[str, str | None]:
        """GPU or CPU, and which, where that is known: what a run with this configuration will be trained on."""

    @abstractmethod
    def wall_clock(self, plan: Plan, made: estimate.Estimate) -> str:
        """How long it will take by the clock, in words."""

    def estimate(self, plan: Plan) -> list[str]:
        """Hours and money in lines, from what finished runs of the store took; none where nothing is left to do."""
        made = estimate.estimate(plan, self.processor)
        if made is None:
            return []
        unit = "GPU" if self.processor(plan.runs[0].config)[0] == "GPU" else "core"
        return list(estimate.lines(plan, made, unit, self.wall_clock(plan, made) if made.by else ""))
