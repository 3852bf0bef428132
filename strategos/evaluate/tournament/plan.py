"""What a tournament is: who plays, what, in which format. Written down before the first game, never changed.

The same command finds its own plan in the folder and goes on; another plan is refused. What a name stands
for is settled once, at the beginning: the weights of a run are copied then (see `entrants`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from strategos import __version__
from strategos.durable import TEMPORARY, write_atomically
from strategos.engine.pool import available_cores
from strategos.evaluate.tournament.entrants import PLAYERS_FOLDER, Entrant, enter, keep
from strategos.games import make_game
from strategos.games.spec import Game
from strategos.play.policy import measured_temperature
from strategos.ratings.rounds import Round
from strategos.ratings.schedules import FORMATS
from strategos.train.checkpoint import RunError, run_lock

PLAN_FILE, GAMES_FOLDER = "tournament.json", "games"
ENDLESS = ("swiss", "ladder")
"""Formats that have as many rounds as one likes."""
_LOCK = "lock"


class PlanError(ValueError):
    """A tournament that cannot be, or another one than that in its folder; the text says what to change."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides a tournament's games."""

    game: str
    options: dict[str, Any]
    """Of `make_game`, defaults included."""
    entrants: tuple[Entrant, ...]
    format: str
    rounds: int | None
    """Of swiss and ladder; the other formats end by themselves."""
    games: int
    """Of a table: boards or deals, each played once from every seat rotated."""
    tick_limit: int
    seed: int
    programs_at_once: int
    """Games of programs that run at the same time; their answers are timed on the clock."""
    version: str = __version__

    @cached_property
    def built(self) -> Game:
        """The game."""
        options = {key: tuple(each) if isinstance(each, list) else each for key, each in self.options.items()}
        return make_game(self.game, **options)

    @cached_property
    def sides(self) -> np.ndarray:
        """int64 [P], the side of each seat: its team, or a side of its own. A table is one entrant a side."""
        teams = self.options.get("teams")
        return np.unique(teams or range(self.built.spec.num_players), return_inverse=True)[1]

    @property
    def seats(self) -> int:
        """Entrants of a table."""
        return int(self.sides.max()) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the entrants."""
        return tuple(entrant.name for entrant in self.entrants)

    @property
    def temperature(self) -> float:
        """At which networks choose."""
        return measured_temperature(self.game)

    def next_tables(self, rounds: Sequence[Round]) -> list[tuple[int, ...]]:
        """The tables of the round after `rounds`, none where the tournament is over."""
        if self.rounds is not None and len(rounds) >= self.rounds:
            return []
        return FORMATS[self.format](len(self.entrants), self.seats, rounds)

    def tables_in_all(self) -> list[int]:
        """How many tables each round has, whatever the results."""
        rounds: list[Round] = []
        while tables := self.next_tables(rounds):
            rounds.append(Round(tuple(tables), tuple((0.5,) * len(table) for table in tables)))
        return [len(each.tables) for each in rounds]


def make_plan(
    sources: Sequence[str],
    game: Game,
    *,
    format: str = "round-robin",
    rounds: int | None = None,
    games: int,
    tick_limit: int,
    seed: int = 0,
) -> Plan:
    """The plan of a tournament that is possible, of players who are still only names; see `begun`.

    `PlanError` for one that is not possible.
    """
    if len(sources) < 2:
        raise PlanError("two or more agents are needed, for example random expander hunter")
    plan = Plan(
        game=game.spec.name,
        options=dict(game.options),
        entrants=tuple(Entrant(source, source) for source in sources),
        format=format,
        rounds=rounds,
        games=games,
        tick_limit=tick_limit,
        seed=seed,
        programs_at_once=available_cores(),
    )
    _require_possible(plan)
    return plan


def _require_possible(plan: Plan) -> None:
    """`PlanError` that says what to change."""
    count, seats = len(plan.entrants), plan.seats
    twice = next((name for name in plan.names if plan.names.count(name) > 1), None)
    if twice is not None:
        raise PlanError(f"a tournament is among different players, and {twice} is given twice; drop one")
    if plan.format not in FORMATS:
        raise PlanError(f"no format {plan.format!r}; there are {', '.join(FORMATS)}")
    if count < seats:
        raise PlanError(f"a table has {seats} seats and there are {count} players; add players")
    if plan.format in ENDLESS and (plan.rounds is None or plan.rounds < 1):
        raise PlanError(f"{plan.format} needs a number of rounds, 1 or more")
    if plan.format not in ENDLESS and plan.rounds is not None:
        raise PlanError(f"a {plan.format} ends by itself; leave out the rounds")
    if plan.format == "ladder" and count == seats:
        raise PlanError(f"a ladder of {count} players is one table; take round-robin, or add players")
    if plan.games < 1 or plan.games % seats:
        more = plan.games + -plan.games % seats or seats
        raise PlanError(
            f"a board is played {seats} times, once for each seat rotated; {plan.games} games do not fill "
            f"the boards: take {more}"
        )
    if plan.tick_limit < 0:
        raise PlanError(f"a game is cut off after so many ticks, 0 for never; not {plan.tick_limit}")
    spec = plan.built.spec
    if plan.tick_limit == 0 and spec.simultaneous and spec.max_ticks == 0:
        raise PlanError("the rules of this game set no last tick; give a limit of ticks")


@contextmanager
def begun(plan: Plan, folder: Path) -> Iterator[Plan]:
    """Hold `folder`, made if need be, for the tournament of `plan`: the plan with its players found, written
    there; or the one that is there already where it is the same.

    Of the same plan, what is there counts, and nobody is looked for again: entrants are still those of the
    beginning. `PlanError` for another plan in the folder, a folder that holds something else or that another
    process plays in, or a damaged plan; `PolicyError` for a player that is not there or cannot play the game.
    """
    if not (folder / PLAN_FILE).exists():
        _require_empty(folder)
        plan = replace(plan, entrants=enter([each.source for each in plan.entrants], plan.built))
    with _held(folder):
        yield _settled(plan, folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder for one process; `PlanError` where another one has it, or it cannot be written."""
    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock(folder))
        except RunError:
            if (folder / _LOCK).exists():
                problem = "another process plays the tournament there; wait for it, or stop it"
            else:
                problem = "it cannot be written; choose another folder"
            raise PlanError(f"{folder}: {problem}") from None
        yield


def _require_empty(folder: Path) -> None:
    """`PlanError` unless nothing is in the folder but what a beginning that was killed has left."""
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if any(name not in (_LOCK, PLAYERS_FOLDER) and not name.startswith(TEMPORARY) for name in found):
        raise PlanError(f"{folder} is not empty and holds no tournament; choose another folder")


def _settled(plan: Plan, folder: Path) -> Plan:
    """The plan that is in the folder, else `plan`, written once the weights of its players are there."""
    if (folder / PLAN_FILE).exists():
        before = read_plan(folder)
        if difference := _difference(before, plan):
            raise PlanError(f"{folder} holds another tournament: {difference}; choose another folder")
        return before
    plan = replace(plan, entrants=keep(plan.entrants, folder))
    write_atomically(folder / PLAN_FILE, (json.dumps(asdict(plan), indent=2) + "\n").encode())
    return plan


def read_plan(folder: Path) -> Plan:
    """The plan of a folder; `PlanError` where it is damaged."""
    path = folder / PLAN_FILE
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        entrants = tuple(Entrant(**each) for each in plain.pop("entrants"))
        return Plan(entrants=entrants, **plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"{path} is damaged ({error}); choose another folder") from None


def _difference(before: Plan, now: Plan) -> str:
    """What differs first between two plans, empty where nothing does that was asked for."""
    for field in fields(Plan):
        if field.name == "programs_at_once":
            continue
        one, other = getattr(before, field.name), getattr(now, field.name)
        if field.name == "entrants":
            one, other = ([entrant.source for entrant in each] for each in (one, other))
        one, other = json.loads(json.dumps([one, other]))
        if isinstance(one, dict):
            key = next((key for key in one | other if one.get(key) != other.get(key)), None)
            if key is not None:
                return f"there {key} is {one.get(key)}, here {other.get(key)}"
        elif one != other:
            one, other = (" ".join(each) if isinstance(each, list) else each for each in (one, other))
            return f"there {field.name} is {one}, here {other}"
    return ""
