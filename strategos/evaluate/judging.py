"""How the checkpoints of a run are judged: in matches on boards, in duels on deals, or exactly.

When that is done, and what becomes of the results, is the business of `watch`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from strategos.engine.pool import available_cores
from strategos.evaluate.contests import maker_of
from strategos.evaluate.gate import gate_boards, gate_deals
from strategos.evaluate.judged import POINTS, SHARE
from strategos.evaluate.ladder import Size, climb
from strategos.evaluate.measures import BOARDS, EXACT, how_measured
from strategos.games import make_game
from strategos.play.agents import find_weights, load_policy, weights_hash
from strategos.play.bots import SCRIPTED
from strategos.play.exploitability import agent_exploitability, exact_unit
from strategos.play.network import NetworkPolicy
from strategos.play.policy import Policy
from strategos.play.try_out import try_out
from strategos.ratings.payoff import wilson
from strategos.ratings.sprt import SequentialTest
from strategos.train.config import ConfigError, TrainConfig
from strategos.train.deals import first_kind, make_deals
from strategos.train.devices import one_thread_each
from strategos.train.duel import Maker, mean_interval
from strategos.train.gate import meet

_SEARCHERS = ("mcts-100", "mcts-800")
_SEED = 20_280_000
"""Boards and deals of the ladder, the same for every checkpoint: the curve shows the agent."""
_ELO_GAIN, _POINTS_GAIN = 30.0, 0.02


@dataclass(frozen=True)
class Ladder:
    """Whom a checkpoint meets, and how often; the best of before comes after them."""

    against: tuple[str, ...] = ()
    """The bots of the run's game where left out, and those that search."""
    games: int = 128
    """Games against each opponent, even; deals of Blob."""
    search_games: int = 16
    """... against those that search, which are slow."""
    gate: int = 128
    """Pairs or deals after which the test against the best so far ends undecided."""
    size: Size | None = None
    """Of the board; that of the run's evaluations where left out."""

    def games_against(self, opponent: str) -> int:
        """How many of them."""
        return self.search_games if opponent.startswith("mcts-") else self.games

    def names(self, game: str) -> tuple[str, ...]:
        """Who stands on it in a game; `ConfigError` for nobody."""
        bots = SCRIPTED.get(game, ())
        names = self.against or (*bots, *(_SEARCHERS if bots else ()))
        if not names:
            raise ConfigError(f"{game} has no bots to judge by; name players with --against")
        return tuple(dict.fromkeys(names))


class Judge(Protocol):
    """Judges the checkpoints of one run, each on the same terms."""

    unit: str
    opponents: tuple[str, ...]
    terms: dict[str, Any]
    """Plain data: whatever results must have in common to stand in one list."""

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        """How the agent in `folder` fares against one of the `opponents`: fields of a `Judged`."""
        ...

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        """Whether it is better than the agent in the folder `rival`: fields of a `Judged`."""
        ...


@contextmanager
def judging(config: TrainConfig, ladder: Ladder) -> Iterator[Judge]:
    """The judge of a run with this configuration, every player on the ladder loaded and tried out.

    `PolicyError` for who cannot play the run's game, `ConfigError` for a game that cannot be judged.
    """
    how = how_measured(config.game.name)
    if how == EXACT:
        yield Exactly(config, ladder)
    elif how == BOARDS:
        yield OnBoards(config, ladder)
    else:
        cores = min(2, available_cores())
        with ThreadPoolExecutor(cores, initializer=one_thread_each, initargs=("cpu",)) as executor:
            judge = OnDeals(config, ladder, executor)
            try:
                yield judge
            finally:
                judge.given_up.set()


class OnBoards:
    """Matches of two-player Generals: shares of games won."""

    unit = SHARE

    def __init__(self, config: TrainConfig, ladder: Ladder) -> None:
        if config.game.players != 2:
            raise ConfigError("this run plays Generals with more than two; watch judges games of two")
        evaluation, self.ruleset = config.evaluation, config.game.ruleset
        self.ladder, self.opponents = ladder, ladder.names(config.game.name)
        self.size = height, width = ladder.size or (evaluation.height, evaluation.width)
        self.tick_limit, self.temperature = evaluation.tick_limit, evaluation.temperature
        try:
            self.game = make_game(config.game.name, height=height, width=width, ruleset=self.ruleset)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self.players = {name: self.agent(name) for name in self.opponents}
        try_out(self.game, self.players.values())
        self.terms: dict[str, Any] = {
            "against": _identities(self.opponents),
            "size": f"{height}x{width}",
            "ruleset": self.ruleset,
            "ticks": self.tick_limit,
            "temperature": self.temperature,
        }

    def agent(self, source: str | Path) -> Policy:
        """Who plays under a name or from a folder."""
        # One view of the board, as in training: all eight sides take eight times as long.
        return load_policy(source, temperature=self.temperature, symmetries=False)

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        """See `Judge`."""
        (rung,) = climb(
            self.agent(folder),
            [self.players[opponent]],
            sizes=[self.size],
            games=self.ladder.games_against(opponent),
            seed=_SEED,
            tick_limit=self.tick_limit,
            ruleset=self.ruleset,
        )
        counts = {"wins": rung.wins, "draws": rung.draws, "losses": rung.losses}
        interval = {"value": rung.win_share, "low": rung.low, "high": rung.high}
        return {"unit": SHARE, "games": rung.games, **interval, **counts}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        """See `Judge`."""
        found = gate_boards(
            self.game,
            self.agent(folder),
            self.agent(rival),
            _test(_ELO_GAIN, self.ladder.gate),
            seed=seed,
            tick_limit=self.tick_limit,
        )
        games = 2 * found.count
        low, high = wilson(found.wins, games)
        counts = {"wins": found.wins, "draws": found.draws, "losses": found.losses}
        interval = {"value": found.wins / games, "low": round(low, 4), "high": round(high, 4)}
        return {"unit": SHARE, "games": games, "decision": found.decision, **interval, **counts}


class OnDeals:
    """Duels, each at a table of the other: points."""

    unit = POINTS

    def __init__(self, config: TrainConfig, ladder: Ladder, executor: ThreadPoolExecutor) -> None:
        self.ladder, self.opponents = ladder, ladder.names(config.game.name)
        if ladder.size is not None:
            raise ConfigError(f"--size is of a board, and this run plays {config.game.name}; leave it out")
        self.deals, self.executor = first_kind(make_deals(config)[0]), executor
        self.temperature = config.evaluation.temperature
        self.makers = {name: self.agent(name) for name in self.opponents}
        try_out(self.deals.game, [make() for make in self.makers.values()])
        self.terms: dict[str, Any] = {
            "against": _identities(self.opponents),
            **self.deals.game.options,
            "temperature": self.temperature,
        }
        self.given_up = threading.Event()
        """Set when nobody waits for results any more."""

    def agent(self, source: str | Path) -> Maker:
        """Who plays under a name or from a folder."""
        return maker_of(source, self.temperature)

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        """See `Judge`."""
        count, run, stop = self.ladder.games_against(opponent), self.executor.map, self.given_up.is_set
        made = meet([self.deals], self.agent(folder), self.makers[opponent], _SEED, 0, count, run, stop)
        low, high = mean_interval(made)
        return {"unit": POINTS, "games": count, "value": float(made.mean()), "low": low, "high": high}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        """See `Judge`."""
        test = _test(_POINTS_GAIN, self.ladder.gate)
        found = gate_deals(self.deals, self.agent(folder), self.agent(rival), test, seed=seed)
        interval = {"value": found.estimate, "low": found.low, "high": found.high}
        return {"unit": POINTS, "games": found.count, "decision": found.decision, **interval}


class Exactly:
    """What a best answer wins is known without a game."""

    opponents: tuple[str, ...] = ("best answer",)

    def __init__(self, config: TrainConfig, ladder: Ladder) -> None:
        name, self.temperature = config.game.name, config.evaluation.temperature
        if ladder.against or ladder.size:
            raise ConfigError(
                f"in {name} agents are measured against the best answer; drop --against and --size"
            )
        self.game, self.unit = make_game(name), f"exploitability in {exact_unit(name)[0]}"
        self.terms: dict[str, Any] = {"temperature": self.temperature}

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        """See `Judge`."""
        policy = load_policy(folder, temperature=self.temperature)
        assert isinstance(policy, NetworkPolicy)
        lost = agent_exploitability(self.game, policy)
        return {"unit": self.unit, "games": 0, "value": lost, "low": lost, "high": lost}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        """See `Judge`."""
        mine, theirs = (self.against(each, "") for each in (folder, rival))
        return {**mine, "decision": "accept" if mine["value"] < theirs["value"] else "reject"}


def _identities(names: Sequence[str]) -> list[str]:
    """The names of players, with the hash of the weights where they have some: a run has others tomorrow."""
    weights = {name: find_weights(name) for name in names}
    return sorted(f"{name} ({weights_hash(path)[:8]})" if path else name for name, path in weights.items())


def _test(better: float, maximum: int) -> SequentialTest:
    """One that looks as soon as it may decide, and then as seldom."""
    return SequentialTest(0.0, better, look=SequentialTest.minimum).at_most(maximum)
