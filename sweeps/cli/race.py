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

from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.identity import run_id, setting_of, short_hash
from landscape.config.text import plural
from landscape.scores import distance_name
from landscape.store import FAILED, SweepFolder
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.locks import locked
from landscape.store.races import Asked, Contender, Race, Ticket
from landscape.store.searches import SearchSpec
from sweeps.cli import arguments
from sweeps.cli.race_table import race_line, race_lines, race_table, standing
from sweeps.cli.status import console
from sweeps.cli.sweep import launch_confirmation
from sweeps.console import show, tell
from sweeps.launchers.registry import launcher_of
from sweeps.launchers.setup_lines import Source
from sweeps.planning.config_groups import copy_tree
from sweeps.planning.needs import survey
from sweeps.planning.plan import NOTHING, Plan, Planned, make_plan
from sweeps.planning.search_spec import NONE
from sweeps.race.answer import Answer, answer
from sweeps.race.claim import claim_of
from sweeps.race.question import Question
from sweeps.race.thresholds import PER_ROUND
from sweeps.search.confirmation import last_distance
from sweeps.search.draws import random_params, trial_run

logger = logging.getLogger(__name__)


def race(argv: list[str]) -> int:
    """Race the points of a grid, or replay a table of runs."""
    given = arguments.race().parse(argv)
    more = {key: getattr(given, key) for key in ("top", "order", "hours", "matched", "by_cost")}
    asked = Asked(given.k, given.error, given.budget, given.within, given.certify, **more)
    if given.replay is not None:
        return replay_table(given, asked)
    return Racing(make_plan(given.overrides, True), asked).run()


class Racing:
    """The race of a grid: the cells are its points, and their tickets runs on seeds that the race draws, or trials of a
    random search in each."""

    def __init__(self, grid: Plan, asked: Asked) -> None:
        self.grid, self.cells = grid, grid.runs
        if any(not cell.asked or "fid" not in cell.asked[0].scores for cell in self.cells):
            raise UserError("a race needs a distance to compare: metrics.scores must have fid")
        self.searches = self._searches(asked) if grid.searches else []
        settings = [one.id for one in grid.searches]
        if not settings:
            settings = [short_hash(setting_of(cell.config)) for cell in self.cells]
        if len(set(settings)) < len(self.cells):
            raise UserError("a race draws its own seeds; leave seed and repeat out")
        self.contenders = [Contender(cell.label, made) for cell, made in zip(self.cells, settings, strict=True)]
        self.asked = replace(asked, budget=Question.of(asked, len(self.cells)).budget)
        scored = sorted([made, cell.asked[0].id] for made, cell in zip(settings, self.cells, strict=True))
        self.name = f"{grid.study or 'sweep'}-race-{short_hash([*scored, 'matched'] if asked.matched else scored)}"
        self.folder = grid.store.sweep(self.name)

    def _searches(self, asked: Asked) -> list[SearchSpec]:
        """The search in each cell, whose trials are its tickets. Matched ones draw the same settings and seeds."""
        grid, found = self.grid, self.grid.searches
        kind = grid.search["kind"]
        if kind != "random":
            raise UserError(
                f"search={kind} cannot be raced: its trials depend on each other; legal: search=random, search={NONE}"
            )
        if grid.search["pruner"] != NONE:
            raise UserError("search.pruner ends trials by what others reached, which no race can count; leave it out")
        if any(one.seeds > 1 for one in found):
            raise UserError("search.seeds cannot be raced: each ticket is one run; leave it out")
        if not all(one.fresh for one in found):
            raise UserError("search.seed=fixed cannot be raced: each trial needs a seed of its own; give a number")
        if len(found) < len(self.cells):
            raise UserError(
                "points of a race with search=random differ in what the search does not vary; leave out seed, repeat "
                "and the keys that search.space draws"
            )
        if asked.matched:
            spaces = {tuple((d.name, d.low, d.high, d.log) for d in one.space) for one in found}
            if len(spaces) > 1:
                raise UserError(
                    "matched settings need the same ranges in every point; set those that only some of them use to "
                    "null, as search.space.strength=null"
                )
            shared = short_hash([*map(list, spaces.pop()), kind])
            found = [replace(one, draws=shared) for one in found]
        return found

    def run(self) -> int:
        """Round after round until the question is answered or the budget spent; the exit code."""
        launcher = launcher_of(self.cells[0].config["launcher"])
        launcher.check(replace(self.grid, searches=[]))  # no trial of a race needs the storage of searches
        kept, found = self.look(first=True)
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
            kept, found = self.look()
            if len(kept.tickets) == before:
                for problem in plan.unreadable.values():
                    logger.warning(problem)
                tell("no run of this round counts; the same command continues the race")
                return ExitCode.UNFINISHED
            self.tell_leavers(kept, found)
        self.report(kept)
        return ExitCode.DONE

    def look(self, first: bool = False) -> tuple[Race, Answer]:
        """Count what has ended, answer the question, and keep both. Raises `CorruptFile`."""
        self.grid.store.check_writable()
        with locked(self.folder.race_lock):
            try:
                kept = self.folder.race()
            except FileNotFoundError:
                kept = Race(tuple(self.contenders), ())
            kept = self.in_order(kept)
            if self.asked not in kept.questions:
                kept = replace(kept, questions=(*kept.questions, replace(self.asked, after=len(kept.tickets))))
            place = kept.questions.index(self.asked) + 1
            question = Question.of(self.asked, len(self.cells), place)
            measure = distance_name(self.cells[0].asked[0].extractor)
            kept = replace(kept, tickets=(*kept.tickets, *self._ended(kept)), measure=measure)
            found = answer(question, kept.distances(), kept.hours())
            kept = replace(kept, claim=claim_of(question, found, kept.names, place))
            write_whole(self.folder.race_file, to_json(kept.to_json()))
        if first and place > 1:
            whole = sum(Question.of(one, len(self.cells), i + 1).share for i, one in enumerate(kept.questions))
            tell(
                f"this race was asked another question before: this one has an error of {100 * question.share:.3g} %, "
                f"beside those of the others ({100 * whole:.3g} % together), and is answered where that is certified"
            )
        return kept, found

    def found(self, kept: Race) -> list[Planned]:
        """The runs that counted of the cells that the race has found, as far as it has."""
        claim = kept.claim
        if claim is None:
            raise UserError(f"race {self.name} has not looked at its runs yet: give its command again, then confirm")
        out = {one.cell for one in claim.out}
        cells = [cell for cell in range(len(self.cells)) if cell not in out]
        if claim.winner is not None:
            cells = [claim.winner]
        elif claim.ranking:
            cells = list(claim.ranking[: kept.asked.top or 1])
        counted = kept.counted()
        return [self.ticket(cell, number) for cell in cells for number in range(counted[cell])]

    def in_order(self, kept: Race) -> Race:
        """The race of the same points, typed in another order. A race's name fixes which points those are."""
        if [cell.setting for cell in kept.cells] == [cell.setting for cell in self.contenders]:
            return kept
        place = {cell.setting: i for i, cell in enumerate(self.contenders)}
        if set(place) != {cell.setting for cell in kept.cells}:
            raise CorruptFile(f"{self.folder.race_file} is of other points; move it away")
        now = [place[cell.setting] for cell in kept.cells]
        tickets = tuple(replace(ticket, cell=now[ticket.cell]) for ticket in kept.tickets)
        moved = replace(kept, cells=tuple(self.contenders), tickets=tickets)
        if kept.claim is None:
            return moved
        place_of = kept.claim.question
        question = Question.of(kept.asked, len(self.cells), place_of + 1)
        found = answer(question, moved.distances(), moved.hours())
        return replace(moved, claim=claim_of(question, found, moved.names, place_of + 1))

    def _ended(self, kept: Race) -> list[Ticket]:
        """Tickets that count from now on: of each cell those in order up to the first that has not ended. A round of
        which every run failed is not counted: that is no matter of its points."""
        made, failed = [], 0
        for cell, past in enumerate(kept.distances()):
            number = len(past)
            while (distance := self._outcome(run := self.ticket(cell, number), self.cells[cell])) is not None:
                final = distance if math.isfinite(distance) else None
                made.append(Ticket(cell, number, run.id, final, self._hours(run.id)))
                failed += self._state(run.id) == FAILED
                number += 1
        return [] if failed == len(made) >= 2 * PER_ROUND else made

    def _state(self, run: str) -> str | None:
        with suppress(CorruptFile, OSError):
            return self.grid.store.run(run).status().state
        return None

    def _hours(self, run: str) -> float | None:
        """How long a run kept its processors busy, training and scoring; of older runs by the clock."""
        with suppress(CorruptFile, OSError):
            one = self.grid.store.run(run).status()
            train = one.train_s if one.train_busy_s is None else one.train_busy_s
            score = one.eval_s if one.eval_busy_s is None else one.eval_busy_s
            if train is not None:
                return (train + (score or 0.0)) / 3600
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
        """A run of a cell: the trial of this number of its search, else one whose seed hangs on the race, the cell and
        the number alone. Matched cells have the same."""
        if self.searches:
            return trial_run(self.searches[cell], random_params(self.searches[cell], number))
        planned = self.cells[cell]
        of = "matched" if self.asked.matched else self.contenders[cell].setting
        drawn = hashlib.sha256(f"{self.name} {of}".encode()).hexdigest()
        config = copy_tree(planned.config)
        config["seed"], config["repeat"] = 1000 * int(drawn[:6], 16) + number, 0
        picked = [*planned.picked, f"seed={config['seed']}"]
        return Planned(run_id(config), config, picked, planned.fixed, planned.asked)

    def round(self, found: Answer, kept: Race) -> Plan:
        """All tickets so far and those of the next round, as a plan; what counts already is not trained again."""
        past, grid = kept.distances(), self.grid
        new = [self.ticket(cell, n) for cell, most in enumerate(found.wanted) for n in range(len(past[cell]), most)]
        old = [self.ticket(cell, n) for cell, counted in enumerate(past) for n in range(len(counted))]
        plan = Plan(grid.command, new, grid.study, named=self.name, search=grid.search, stage="grid")
        survey(plan)
        for planned in old:
            planned.need = NOTHING
        plan.runs = [*old, *new]
        ahead = range(PER_ROUND)
        running = [cell for cell, most in enumerate(found.wanted) if most > len(past[cell])]
        if found.spent + 2 * PER_ROUND * len(running) <= self.asked.budget:  # a further round may follow
            plan.early = [self.ticket(cell, found.wanted[cell] + n) for n in ahead for cell in running]
        return plan

    def tell_leavers(self, kept: Race, found: Answer) -> None:
        """Say who left in the newest round."""
        assert kept.claim is not None
        for one in kept.claim.out:
            if one.round == found.rounds:
                tell(f"{kept.names[one.cell]}: {standing(kept, kept.claim, one.cell)}")

    def report(self, kept: Race) -> None:
        """Print the answer, what is known of each point, and the weaker claims."""
        claim = kept.claim
        assert claim is not None
        show(race_line(claim))
        console().print(race_table(kept, claim))
        for line in race_lines(kept, claim):
            show(line)


def confirm_race(typed: list[str], folder: SweepFolder, source: Source) -> int:
    """Train what a race has found again on fresh seeds and images: the best cell, the best m, or those that are left;
    of a race of random settings the best settings of these."""
    plan = make_plan(arguments.sweep().parse(typed).overrides, True)
    kept = folder.race()
    racing = Racing(plan, kept.asked)
    if racing.name != folder.name:
        raise UserError(f"the command of race {folder.name} now plans {racing.name}: conf/ or the data have changed")
    launcher = launcher_of(plan.runs[0].config["launcher"])
    source.check(launcher.shell_lines())
    plan.runs = racing.found(racing.in_order(kept))
    plan.named, plan.searches = racing.name, []
    survey(plan)
    launcher.check(plan)
    return launch_confirmation(plan, launcher)


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
