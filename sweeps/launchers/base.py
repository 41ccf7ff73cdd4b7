"""The interface of launchers, which decide where the runs of a plan are trained.

A launcher is one file with a subclass of `Launcher`, a row of `sweeps.launchers.registry`, and a YAML file in
`conf/launcher/`. One whose command lives until the runs end subclasses `sweeps.launchers.attached.AttachedLauncher`.
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
    """The launcher of one command; `keys` is the group `launcher` of its configuration.

    It is also the `Scheduler` of its queue, if it has one.
    """

    attached: ClassVar[bool]  # whether its command lives until the runs have ended

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self.keys = keys

    def check(self, plan: Plan) -> None:
        """Raise `UserError`, before anything is written, if this launcher cannot do what the plan asks for."""

    def shell_lines(self) -> list[str]:
        """The parts of the configuration that a shell or the scheduler would act on with the user's rights."""
        return []

    def describe(self, plan: Plan) -> list[str]:
        """What `launch` would do, in lines for `sweeps plan`; none if it is obvious."""
        return []

    def warnings(self, plan: Plan) -> list[str]:
        """Reasons not to train the plan with this launcher, in lines."""
        return []

    @abstractmethod
    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        """Freeze a plan and train what it lacks: its grid, and its searches. Returns the exit code."""

    @abstractmethod
    def resubmit(self, store: Store, folder: SweepFolder, wanted: set[str], accepted: bool) -> int:
        """Train these runs of a stored sweep again, as its newest command asked. Returns the exit code.

        `accepted`: the user has accepted the `shell_lines` that the store holds.
        """

    @abstractmethod
    def processor(self, config: dict[str, Any]) -> tuple[str, str | None]:
        """("GPU" or "CPU", the model or None) that a run with this configuration will be trained on."""

    @abstractmethod
    def wall_clock(self, plan: Plan, made: estimate.Estimate) -> str:
        """The wall-clock time of a plan with this estimate, in words."""

    def estimate(self, plan: Plan) -> list[str]:
        """Hours and cost in lines, from the finished runs of the store; none if nothing is left to do."""
        made = estimate.estimate(plan, self.processor)
        if made is None:
            return []
        unit = "GPU" if self.processor(plan.runs[0].config)[0] == "GPU" else "core"
        return list(estimate.lines(plan, made, unit, self.wall_clock(plan, made) if made.basis else ""))
