"""`python -m sweeps race`: which point of a grid is best, with its error, for as few runs as that takes.

A round is an ordinary launch of the runs that it lacks. Which runs have ended and count is kept in `race.json` of the
sweep, so the same command continues a race wherever it was stopped.
"""

from __future__ import annotations

import hashlib
import logging
import math
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace

from rich.table import Table

from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.identity import run_id, setting_of, short_hash
from landscape.config.text import plural
from landscape.scores import DISTANCE, distance_name
from landscape.store import FAILED
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.locks import locked
from landscape.store.races import Asked, Claim, Contender, Leaver, Race, Ticket
from sweeps.cli import arguments
from sweeps.cli.status import console, shown
from sweeps.console import show, tell
from sweeps.formatting import score
from sweeps.launchers.registry import launcher_of
from sweeps.planning.config_groups import copy_tree
from sweeps.planning.needs import survey
from sweeps.planning.plan import NOTHING, Plan, Planned, make_plan
from sweeps.race.answer import Answer, answer, sentence
from sweeps.race.question import Question
from sweeps.race.thresholds import PER_ROUND
from sweeps.search.confirmation import last_distance

logger = logging.getLogger(__name__)


def race(argv: list[str]) -> int:
    """Race the points of a grid, or replay a table of runs."""
    given = arguments.race().parse(argv)
    asked = Asked(given.k, given.error, given.budget, given.within, given.certify)
    if given.replay is not None:
        return replay_table(given, asked)
    return Racing(make_plan(given.overrides, True), asked).run()


class Racing:
    """The race of a grid: the cells are its points, and their tickets runs on seeds that the race draws."""

    def __init__(self, grid: Plan, asked: Asked) -> None:
        self.grid, self.cells = grid, grid.runs
        if grid.searches:
            raise UserError(f"search={grid.search['kind']} cannot be raced yet; leave it out: a race draws seeds")
        settings = [short_hash(setting_of(cell.config)) for cell in self.cells]
        if len(set(settings)) < len(settings):
            raise UserError("a race draws its own seeds; leave seed and repeat out")
        if any(not cell.asked or "fid" not in cell.asked[0].scores for cell in self.cells):
            raise UserError("a race needs a distance to compare: metrics.scores must have fid")
        self.contenders = [Contender(cell.label, made) for cell, made in zip(self.cells, settings, strict=True)]
        self.asked = replace(asked, budget=Question.of(asked, len(self.cells)).budget)
        scored = sorted([made, cell.asked[0].id] for made, cell in zip(settings, self.cells, strict=True))
        self.name = f"{grid.study or 'sweep'}-race-{short_hash(scored)}"
        self.folder = grid.store.sweep(self.name)

    def run(self) -> int:
        """Round after round until the question is answered or the budget spent; the exit code."""
        launcher = launcher_of(self.cells[0].config["launcher"])
        launcher.check(self.grid)
        kept, question, found = self.look(first=True)
        while not found.ended:
            plan = self.round(found, kept)
            left = sum(planned.need != NOTHING for planned in plan.runs)
            n = plural(len(found.alive), "point")
            tell(f"round {found.rounds + 1} of race {self.name}: {n} left, {plural(left, 'run')} to train")
            code = launcher.launch(plan) if left else ExitCode.UNFINISHED
            if code == ExitCode.INTERRUPTED:
                return code
            if not launcher.attached and left:
                tell(f"when these have ended (python -m sweeps wait {self.name}), the same command continues the race")
                return code
            before = len(kept.tickets)
            kept, question, found = self.look()
            if len(kept.tickets) == before:
                for problem in plan.unreadable.values():
                    logger.warning(problem)
                tell("no run of this round counts; the same command continues the race")
                return ExitCode.UNFINISHED
        self.report(question, found, kept)
        return ExitCode.DONE

    def look(self, first: bool = False) -> tuple[Race, Question, Answer]:
        """Count what has ended, answer the question, and keep both. Raises `CorruptFile`."""
        self.grid.store.check_writable()
        with locked(self.folder.race_lock):
            try:
                kept = self.folder.race()
            except FileNotFoundError:
                kept = Race(tuple(self.contenders), ())
            if any(ticket.cell >= len(kept.cells) for ticket in kept.tickets):
                raise CorruptFile(f"{self.folder.race_file} has a ticket of a cell that it lacks; move it away")
            if [cell.setting for cell in kept.cells] != [cell.setting for cell in self.contenders]:
                kept = self._in_order(kept)
            if self.asked not in kept.questions:
                kept = replace(kept, questions=(*kept.questions, self.asked))
            place = kept.questions.index(self.asked) + 1
            question = Question.of(self.asked, len(self.cells), place)
            kept = replace(kept, tickets=(*kept.tickets, *self._ended(kept)))
            found = answer(question, self.distances(kept))
            kept = replace(kept, claim=self._claim(question, found))
            write_whole(self.folder.race_file, to_json(kept.to_json()))
        if first and place > 1:
            tell(
                f"this race was asked another question before: this one has an error of {100 * question.share:.3g} %, "
                "beside those of the others, and is answered where that is certified"
            )
        return kept, question, found

    def _in_order(self, kept: Race) -> Race:
        """The race of the same points, typed in another order. A race's name fixes which points those are."""
        place = {cell.setting: i for i, cell in enumerate(self.contenders)}
        if set(place) != {cell.setting for cell in kept.cells}:
            raise CorruptFile(f"{self.folder.race_file} is of other points; move it away")
        now = [place[cell.setting] for cell in kept.cells]
        tickets = tuple(replace(ticket, cell=now[ticket.cell]) for ticket in kept.tickets)
        return replace(kept, cells=tuple(self.contenders), tickets=tickets)

    def distances(self, kept: Race) -> list[list[float]]:
        """Of each cell, in ticket order."""
        found: list[list[float]] = [[] for _ in self.cells]
        for ticket in sorted(kept.tickets, key=lambda one: one.order):
            found[ticket.cell].append(math.inf if ticket.distance is None else ticket.distance)
        return found

    def _ended(self, kept: Race) -> list[Ticket]:
        """Tickets that count from now on: of each cell those in order up to the first that has not ended. A round of
        which every run failed is not counted: that is no matter of its points."""
        made, failed = [], 0
        for cell, past in enumerate(self.distances(kept)):
            number = len(past)
            while (distance := self._outcome(self.ticket(cell, number), self.cells[cell])) is not None:
                run = self.ticket(cell, number)
                made.append(Ticket(cell, number, run.id, distance if math.isfinite(distance) else None))
                failed += self._state(run.id) == FAILED
                number += 1
        return [] if failed == len(made) >= 2 * PER_ROUND else made

    def _state(self, run: str) -> str | None:
        with suppress(CorruptFile, OSError):
            return self.grid.store.run(run).status().state
        return None

    def _outcome(self, ticket: Planned, cell: Planned) -> float | None:
        """The distance of a ticket, infinite where it diverged, was stopped or failed; None while it has not ended."""
        run = self.grid.store.run(ticket.id)
        if not run.exists():
            return None
        with suppress(FileNotFoundError, CorruptFile):
            found = last_distance(run, cell.asked[0])
            return math.inf if found is None and run.status().state == FAILED else found
        return None

    def ticket(self, cell: int, number: int) -> Planned:
        """A run of a cell. Its seed hangs on the race, the cell and the number alone."""
        planned = self.cells[cell]
        drawn = hashlib.sha256(f"{self.name} {self.contenders[cell].setting}".encode()).hexdigest()
        config = copy_tree(planned.config)
        config["seed"], config["repeat"] = 1000 * int(drawn[:6], 16) + number, 0
        picked = [*planned.picked, f"seed={config['seed']}"]
        return Planned(run_id(config), config, picked, planned.fixed, planned.asked)

    def round(self, found: Answer, kept: Race) -> Plan:
        """All tickets so far and those of the next round, as a plan; what counts already is not trained again."""
        past, grid = self.distances(kept), self.grid
        new = [self.ticket(cell, n) for cell, most in enumerate(found.wanted) for n in range(len(past[cell]), most)]
        old = [self.ticket(cell, n) for cell, counted in enumerate(past) for n in range(len(counted))]
        plan = Plan(grid.command, new, grid.study, named=self.name, search=grid.search, stage="grid")
        survey(plan)
        for planned in old:
            planned.need = NOTHING
        plan.runs = [*old, *new]
        return plan

    def _claim(self, question: Question, found: Answer) -> Claim:
        return Claim(
            state=found.state,
            sentence=sentence(question, found, [cell.name for cell in self.contenders]),
            rounds=found.rounds,
            spent=found.spent,
            winner=found.winner,
            kind=found.kind,
            out=tuple(Leaver(one.cell, one.round, one.by, one.kind) for one in found.out),
            pairs=[list(pair) for pair in found.pairs],
        )

    def report(self, question: Question, found: Answer, kept: Race) -> None:
        """Print the answer, what is known of each point, and the weaker claims."""
        names = [cell.name for cell in self.contenders]
        show(sentence(question, found, names))
        out = {one.cell: one for one in found.out}
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("point", overflow="fold")
        measure = distance_name(self.cells[0].asked[0].extractor)
        for head in ("runs", measure if question.k == 1 else f"{measure}, best of {question.k}"):
            table.add_column(head, justify="right")
        table.add_column("race", overflow="fold")
        runs = self.distances(kept)
        for cell in [*found.alive, *(one.cell for one in reversed(found.out))]:
            one = out.get(cell)
            how = "left" if one is None else f"out in round {one.round}: {names[one.by]} is better ({one.kind})"
            table.add_row(shown(names[cell]), str(len(runs[cell])), score(DISTANCE, found.quantiles[cell]), shown(how))
        console().print(table)
        for factor in found.factors:
            if math.isfinite(factor.factor) and found.winner is None:
                close = max(math.ceil(1000 * factor.factor) / 1000, 1.0)
                show(f"{names[factor.cell]} is within a factor {close:g} of the best ({factor.kind})")
        if found.pairs:
            pairs = "; ".join(f"{names[a]} is better than {names[b]}" for a, b in found.pairs)
            show(f"certified, all of them together: {pairs}")


def replay_table(given: Namespace, asked: Asked) -> int:
    """Race on recorded runs in random orders, and print what it would have cost."""
    from sweeps.race.replay import read_table, replay

    if given.overrides or given.multirun:
        raise UserError(f"--replay trains nothing and takes no {(given.overrides or ['-m'])[0]}")
    if given.orders < 1 or given.workers < 1:
        raise UserError("--orders and --workers are 1 or more")
    cells = read_table(given.replay)
    n = sum(len(cell.distances) for cell in cells)
    question = Question.of(replace(asked, budget=asked.budget or n), len(cells))
    seen = replay(cells, question, given.orders, given.workers)
    show(f"{plural(n, 'run')} of {plural(len(cells), 'cell')}, in {plural(seen.orders, 'random order')}")
    show(
        f"the answer of all runs: {seen.right:.1%}; another: {seen.wrong:.1%} (s.e. {seen.wrong_se:.1%}); "
        f"undecided: {seen.undecided:.1%}; certified: {seen.certified:.1%}"
    )
    show(
        f"of the full grid, in the median: {seen.runs:.0%} of the runs, {seen.hours:.0%} of the hours, "
        f"{seen.clock:.0%} of the time by the clock with {plural(given.workers, 'worker')}"
    )
    return ExitCode.DONE
