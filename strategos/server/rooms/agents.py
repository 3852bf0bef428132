"""Agents: policies that sit on seats inside the server, each on a thread of its own.

What the rooms ask while an agent thinks waits and is answered together, across rooms. An agent that raises
loses the seat it was asked for and no other; one that hangs is taken off, and its thread left behind.
Answers come back on the loop of the hall.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strategos.games.spec import Game
from strategos.play.agents import META_FILE, PolicyError, game_of, load_policy
from strategos.play.bots import SCRIPTED
from strategos.play.policy import Policy, Session, SessionPolicy
from strategos.server.rooms.kinds import key_of
from strategos.server.terms import HallError
from strategos.spelling import nearest

SEARCHING: dict[str, tuple[str, ...]] = {"generals": ("mcts-100",), "blob": ("mcts-100",)}
"""Offered in these games: slower, and need no training."""


@dataclass(frozen=True)
class Ask:
    """A seat that has to move."""

    room: str
    seat: int
    tick: int


@dataclass(frozen=True)
class Answer:
    """What an agent plays for an `Ask`, or why it has lost its seat."""

    ask: Ask
    action: int
    problem: str = ""


@dataclass(frozen=True)
class _Group:
    """Asks of one kind of game, and what their seats see."""

    kind: str
    asks: tuple[Ask, ...]
    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray | None


def offered(settings_agents: Mapping[str, str], runs: Path | None) -> dict[str, dict[str, str]]:
    """Name and source of the agents of each game: scripted bots, what the operator named, trained runs.

    Strangers choose among these names only: a source may be a program, which they must not name.
    `PolicyError` for an agent of the operator's that is not there.
    """
    found: dict[str, dict[str, str]] = {}
    for game, bots in SCRIPTED.items():
        found[game] = {bot: bot for bot in (*(bots or ("random",)), *SEARCHING.get(game, ()))}
    for name, source in settings_agents.items():
        plays = game_of(source)
        for game in found if plays is None else [plays]:
            found.setdefault(game, {})[name] = source
    folders = sorted(runs.iterdir()) if runs is not None and runs.is_dir() else []
    for folder in folders:
        if not (folder / "checkpoints").is_dir() and not (folder / META_FILE).is_file():
            continue
        try:
            plays = game_of(folder)
        except PolicyError:
            continue  # nothing has been trained yet, or it is damaged: not on offer
        if plays in found:
            found[plays].setdefault(folder.name, str(folder))
    return found


class Agents:
    """All agents of one server. `deliver` is called on an agent's thread, and must only pass on."""

    def __init__(
        self, sources: Mapping[str, Mapping[str, str]], deliver: Callable[[Sequence[Answer]], None]
    ) -> None:
        self.sources, self._deliver = sources, deliver
        self._workers: dict[str, _Worker] = {}
        self._broken: set[str] = set()

    def names(self, game: str) -> list[str]:
        """Who can play `game`."""
        return [name for name in self.sources.get(game, {}) if name not in self._broken]

    def require(self, game: str, name: str) -> None:
        """`HallError` "not_found" where nobody of that name plays `game`."""
        known = self.names(game)
        if name not in known:
            raise HallError(
                "not_found", f"no agent {str(name)[:32]!r} plays {game} here{nearest(str(name)[:32], known)}"
            )

    def ask(
        self,
        name: str,
        game: Game,
        asks: Sequence[Ask],
        views: np.ndarray,
        masks: np.ndarray,
        memories: np.ndarray | None,
    ) -> None:
        """Ask `name` about seats [N] at once; the arrays are the agent's from now on."""
        source = self.sources.get(game.spec.name, {}).get(name)
        if source is None or name in self._broken:
            self._deliver([Answer(each, -1, f"{name} is not here any more") for each in asks])
            return
        if name not in self._workers:
            self._workers[name] = _Worker(name, source, self._deliver)
        self._workers[name].put(_Group(key_of(game), tuple(asks), views, masks, memories))

    def finish(self, name: str, room: str, seats: Sequence[int]) -> None:
        """A game of `name` is over."""
        if name in self._workers:
            self._workers[name].finish(room, seats)

    def take_off_the_stuck(self, limit_s: float, now: float) -> list[str]:
        """Give up agents that have thought for longer than `limit_s`: their seats are answered with a
        problem. Their names."""
        stuck = [name for name, worker in self._workers.items() if worker.busy_s(now) > limit_s]
        for name in stuck:
            self._broken.add(name)
            worker = self._workers.pop(name)
            asks = worker.abandon()
            self._deliver([Answer(each, -1, f"{name} gave no answer in {limit_s:.0f} s") for each in asks])
        return stuck

    def stop(self) -> None:
        """End all threads that can be ended; they are daemons, so the others do not hold up the process."""
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()


class _Worker:
    """One agent on its thread."""

    def __init__(self, name: str, source: str, deliver: Callable[[Sequence[Answer]], None]) -> None:
        self.name, self._source, self._deliver = name, source, deliver
        self._news = threading.Condition()
        self._groups: list[_Group] = []
        self._newest: dict[tuple[str, int], int] = {}
        self._finished: list[tuple[str, int]] = []
        self._thinking: tuple[Ask, ...] = ()
        self._busy_since: float | None = None
        self._stopped = False
        self._numbers: dict[tuple[str, int], int] = {}
        self._next_number = itertools.count()
        self._thread = threading.Thread(target=self._run, name=f"agent {name}", daemon=True)
        self._thread.start()

    def put(self, group: _Group) -> None:
        """More to think about."""
        with self._news:
            self._groups.append(group)
            for ask in group.asks:
                self._newest[ask.room, ask.seat] = ask.tick
            self._news.notify()

    def finish(self, room: str, seats: Sequence[int]) -> None:
        """Forget a game."""
        with self._news:
            for seat in seats:
                self._newest.pop((room, seat), None)
                self._finished.append((room, seat))
            self._news.notify()

    def busy_s(self, now: float) -> float:
        """For how long it has thought about what it thinks about."""
        since = self._busy_since
        return 0.0 if since is None else now - since

    def abandon(self) -> list[Ask]:
        """Take everything away from it; what it was asked and has not answered."""
        with self._news:
            self._stopped = True
            waiting = [ask for group in self._groups for ask in group.asks]
            self._groups.clear()
            self._news.notify()
        return [*self._thinking, *waiting]

    def stop(self) -> None:
        """End the thread after what it does now."""
        with self._news:
            self._stopped = True
            self._news.notify()

    def _run(self) -> None:
        rng = np.random.default_rng()  # not from a game's seed: what it draws must not tell of the board
        policy: Policy | SessionPolicy | None = None
        session: Session | None = None
        problem = ""
        while True:
            with self._news:
                while not (self._groups or self._finished or self._stopped):
                    self._news.wait()
                if self._stopped:
                    break
                group, finished = self._take(), self._finished
                self._finished = []
                self._thinking = group.asks if group else ()
                self._busy_since = time.monotonic()
            if policy is None and not problem:
                try:
                    policy = load_policy(self._source)
                    session = policy.begin() if isinstance(policy, SessionPolicy) else None
                    if "torch" in sys.modules:  # its threads would take the cores from the rooms
                        sys.modules["torch"].set_num_threads(1)
                except Exception as error:
                    problem = f"{self.name} cannot be loaded ({type(error).__name__})"
            if session is not None and finished:
                self._end_games(session, finished)
            if group is not None:
                if problem:
                    answers = [Answer(ask, -1, problem) for ask in group.asks]
                else:
                    assert policy is not None
                    answers = self._answer(policy, session, group, rng)
                if not self._stopped:
                    self._deliver(answers)
            self._thinking, self._busy_since = (), None
        if session is not None:
            session.close()

    def _take(self) -> _Group | None:
        """All that waits and is of the same kind as the first, without what is asked anew already."""
        if not self._groups:
            return None
        kind = self._groups[0].kind
        same = [group for group in self._groups if group.kind == kind]
        self._groups = [group for group in self._groups if group.kind != kind]
        asks = [ask for group in same for ask in group.asks]
        fresh = [self._newest.get((ask.room, ask.seat)) == ask.tick for ask in asks]
        first = same[0]
        if len(same) == 1 and all(fresh):
            return first
        places = np.flatnonzero(fresh)
        if not len(places):
            return None
        memories = [group.memories for group in same if group.memories is not None]
        return _Group(
            kind,
            tuple(asks[place] for place in places),
            np.concatenate([group.views for group in same]).take(places),
            np.concatenate([group.masks for group in same])[places],
            np.concatenate(memories).take(places) if memories else None,
        )

    def _answer(
        self, policy: Policy | SessionPolicy, session: Session | None, group: _Group, rng: np.random.Generator
    ) -> list[Answer]:
        """Of all asks together; where that raises, of each alone, so that only one seat is lost."""
        try:
            actions = self._act(policy, session, group, rng)
        except Exception as error:
            if len(group.asks) == 1:
                return [Answer(group.asks[0], -1, f"{self.name} failed ({type(error).__name__})")]
            answers = []
            for place in range(len(group.asks)):
                part = slice(place, place + 1)
                memories = group.memories[part] if group.memories is not None else None
                alone = _Group(group.kind, group.asks[part], group.views[part], group.masks[part], memories)
                answers += self._answer(policy, session, alone, rng)
            return answers
        answers = []
        for ask, action in zip(group.asks, actions.tolist(), strict=True):
            forfeit = session.conduct(self._number(ask)).forfeit if session is not None else None
            answers.append(Answer(ask, int(action), f"{self.name} forfeits {forfeit}" if forfeit else ""))
        return answers

    def _act(
        self, policy: Policy | SessionPolicy, session: Session | None, group: _Group, rng: np.random.Generator
    ) -> np.ndarray:
        if session is not None:
            games = np.array([self._number(ask) for ask in group.asks], np.int64)
            actions = session.act(games, group.views, group.masks, group.memories, rng)
        else:
            actions = policy.act(group.views, group.masks, group.memories, rng)  # type: ignore[union-attr]
        if actions.shape != (len(group.asks),):
            raise ValueError(f"answers of shape {actions.shape} to {len(group.asks)} seats")
        return actions

    def _number(self, ask: Ask) -> int:
        seat = (ask.room, ask.seat)
        if seat not in self._numbers:
            self._numbers[seat] = next(self._next_number)
        return self._numbers[seat]

    def _end_games(self, session: Session, finished: list[tuple[str, int]]) -> None:
        numbers = [self._numbers.pop(each) for each in finished if each in self._numbers]
        if numbers:
            session.finish(np.array(numbers, np.int64))
