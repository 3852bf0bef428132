"""What a tournament is: who plays, what, in which format. Written down before the first game, never changed.

The same command finds its own plan in the folder and goes on; another plan is refused. What a name stands
for is settled once, at the beginning: the checkpoint of a run and the hash of its weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from strategos import __version__
from strategos.engine.pool import available_cores
from strategos.games import make_game
from strategos.games.spec import Game
from strategos.play.agents import (
    ONNX_SUFFIX,
    WEIGHTS_FILE,
    PolicyError,
    find_checkpoint,
    game_of,
    is_bot,
    load_policy,
    read_meta,
)
from strategos.play.policy import Policy, SessionPolicy
from strategos.play.try_out import try_out
from strategos.ratings.rounds import Round
from strategos.ratings.schedules import FORMATS

PLAN_FILE, GAMES_FOLDER = "tournament.json", "games"
ENDLESS = ("swiss", "ladder")
"""Formats that have as many rounds as one likes."""
_TEMPERATURES = {"blob": 0.0}
_ANCHORS = ("random", "expander", "hunter", "heuristic")


class PlanError(ValueError):
    """A tournament that cannot be, or another one than that in its folder; the text says what to change."""


@dataclass(frozen=True)
class Entrant:
    """One player, as typed and as found."""

    source: str
    name: str
    path: str = ""
    """Of a network: the folder of its checkpoint or its ONNX file."""
    sha256: str = ""
    """Of its weights."""
    program: bool = False

    def load(self, temperature: float) -> Policy:
        """The player itself; `PolicyError` where its weights are no longer those it entered with."""
        if self.path and _weights_hash(Path(self.path)) != self.sha256:
            raise PolicyError(
                f"the weights of {self.path} have changed since the tournament began; begin anew"
            )
        return load_policy(self.path or self.source, temperature=temperature)


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
    def anchor(self) -> str:
        """Whose rating is 1500: a bot stays the same from one tournament to the next."""
        return next((bot for bot in _ANCHORS if bot in self.names), self.names[0])

    @property
    def temperature(self) -> float:
        """At which networks choose."""
        return _TEMPERATURES.get(self.game, 1.0)

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
    """The plan of a tournament that is possible; then every entrant is found, loaded and asked for one move.

    `PlanError` for one that is not, `PolicyError` for a player that is not there or cannot play the game.
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
    plan = replace(plan, entrants=tuple(_enter(source, game) for source in sources))
    _require_different(plan.names)
    return plan


def _require_different(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PlanError(f"a tournament is among different players, and {twice} is given twice; drop one")


def _enter(source: str, game: Game) -> Entrant:
    told = game_of(source)
    if told not in (None, game.spec.name):
        raise PolicyError(
            f"{source} plays {told}, and this is a tournament of {game.spec.name}; leave it out"
        )
    path = ""
    if source.endswith(ONNX_SUFFIX):
        path = str(Path(source).resolve())
    policy = load_policy(source, temperature=_TEMPERATURES.get(game.spec.name, 1.0))
    program = isinstance(policy, SessionPolicy)
    if program and game.spec.num_players != 2:
        raise PolicyError(f"{source} is a program, and programs play games of two players; leave it out")
    if not path and not program and not is_bot(source):
        path = str(find_checkpoint(source).resolve())
    try_out(game, [policy])
    return Entrant(source, policy.name, path, _weights_hash(Path(path)) if path else "", program)


def _weights_hash(path: Path) -> str:
    """SHA-256 of an ONNX file, or what a checkpoint says of its weights, which loading compares."""
    if path.suffix == ONNX_SUFFIX:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return str(read_meta(path)["files"].get(WEIGHTS_FILE))


def _require_possible(plan: Plan) -> None:
    """`PlanError` that says what to change."""
    count, seats = len(plan.entrants), plan.seats
    _require_different(plan.names)
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


def begin(plan: Plan, folder: Path) -> Plan:
    """Write `plan` into `folder`, made if need be; the plan that is there already where it is the same.

    Of the same plan, what is there counts: entrants are still those that were found at the beginning.
    `PlanError` for another plan in the folder, a folder that holds something else, or a damaged plan.
    """
    path = folder / PLAN_FILE
    if path.exists():
        before = read_plan(folder)
        if difference := _difference(before, plan):
            raise PlanError(f"{folder} holds another tournament: {difference}; choose another folder")
        return before
    if folder.exists() and any(folder.iterdir()):
        raise PlanError(f"{folder} is not empty and holds no tournament; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
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
