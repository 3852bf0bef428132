"""Agents: policies that sit on seats inside the server, each on a thread of its own.

What the rooms ask while an agent thinks waits and is answered together, across rooms; what is asked anew
meanwhile takes the place of what was asked before. An agent that raises loses the seat it was asked for and
no other; one that hangs loses its seats, and sits down again once its thread has come back. Answers come
back on the loop of the hall.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from strategos.games.spec import Game
from strategos.play.agents import game_of, load_policy
from strategos.play.bots import SCRIPTED
from strategos.play.checkpoint_files import META_FILE
from strategos.play.policy import Policy, PolicyError, Session, SessionPolicy
from strategos.server.rooms.kinds import key_of
from strategos.server.terms import HallError
from strategos.spelling import nearest

AT_ONCE = 64
"""Seats that an agent is asked about together, at most: many seats in many rooms must not look like one that
hangs. More at once would save a network little."""
FIRST = 3
"""So many times longer may the first answer take: the agent is loaded before it, and a search compiled, which
once took 48 s on a busy machine."""
SEARCHING: dict[str, tuple[str, ...]] = {"generals": ("mcts-100",), "blob": ("mcts-100",)}
"""Offered in these games: slower, and need no training."""
log = structlog.get_logger("strategos.server")


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
    forfeits: bool = False
    """By its own moves, and not by a fault."""


@dataclass(frozen=True)
class _Group:
    """Asks of one kind of game, and what their seats see."""

    kind: str
    asks: tuple[Ask, ...]
    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray | None

    def of(self, places: np.ndarray) -> _Group:
        """Copies of those at `places` alone."""
        memories = self.memories.take(places) if self.memories is not None else None
        asks = tuple(self.asks[place] for place in places)
        return _Group(self.kind, asks, self.views.take(places), self.masks[places], memories)


def _seat_of(ask: Ask) -> tuple[str, int]:
    return ask.room, ask.seat


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
        self._stuck: dict[str, _Worker] = {}
        """Taken off their seats, until their threads come back."""

    def names(self, game: str) -> list[str]:
        """Who can play `game`."""
        return [name for name in self.sources.get(game, {}) if not self._hangs(name)]

    def reserved(self, game: str) -> list[str]:
        """Names that nobody else may take: of all who play `game`, those that hang included."""
        return list(self.sources.get(game, {}))

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
        if source is None or self._hangs(name):
            self._deliver([Answer(each, -1, f"{name} is not here now") for each in asks])
            return
        if name not in self._workers:
            self._workers[name] = _Worker(name, source, self._deliver)
        self._workers[name].put(_Group(key_of(game), tuple(asks), views, masks, memories))

    def finish(self, name: str, room: str, seats: Sequence[int]) -> None:
        """A game of `name` is over."""
        if name in self._workers:
            self._workers[name].finish(room, seats)

    def take_off_the_stuck(self, limit_s: float, now: float) -> list[str]:
        """Give up agents that have thought for longer than `limit_s`, `FIRST` times that before their first
        answer: their seats are answered with a problem. Their names."""
        allowed_s = {name: limit_s * (FIRST if worker.new else 1) for name, worker in self._workers.items()}
        stuck = [name for name, worker in self._workers.items() if worker.busy_s(now) > allowed_s[name]]
        for name in stuck:
            worker = self._stuck[name] = self._workers.pop(name)
            problem = f"{name} gave no answer in {allowed_s[name]:.0f} s"
            self._deliver([Answer(each, -1, problem) for each in worker.abandon()])
        return stuck

    def _hangs(self, name: str) -> bool:
        """Whether an agent still thinks about what it was taken off for. One that was only slow, because the
        machine was busy or a kernel had to be compiled, begins anew in new games."""
        worker = self._stuck.get(name)
        if worker is None or worker.runs:
            return worker is not None
        del self._stuck[name]
        log.info("an agent that hung is back", agent=name)
        return False

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
        self._waiting = 0
        """Asks in all groups."""
        self._newest: dict[tuple[str, int], int] = {}
        """Room and seat of every ask that waits, the longest one first, and the last tick it is about."""
        self._finished: list[tuple[str, int]] = []
        self._thinking: tuple[Ask, ...] = ()
        self._turns = 0
        """How often it has begun to think and has ended: an odd number while it thinks."""
        self._seen = 0, 0.0
        """The turn that `busy_s` saw last, and when it saw it first."""
        self._stopped = False
        self._numbers: dict[tuple[str, int], int] = {}
        self._next_number = itertools.count()
        self._thread = threading.Thread(target=self._run, name=f"agent {name}", daemon=True)
        self._thread.start()

    def put(self, group: _Group) -> None:
        """More to think about; of a seat that waits already, only this."""
        with self._news:
            self._groups.append(group)
            self._waiting += len(group.asks)
            for ask in group.asks:
                self._newest[_seat_of(ask)] = ask.tick
            if self._waiting > 2 * len(self._newest):  # not each time: every merge copies what is left
                kinds = dict.fromkeys(each.kind for each in self._groups)
                fresh = [self._merged(kind) for kind in kinds]
                self._groups = [each for each in fresh if each is not None]
                self._waiting = sum(len(each.asks) for each in self._groups)
            self._news.notify()

    def finish(self, room: str, seats: Sequence[int]) -> None:
        """Forget a game."""
        with self._news:
            for seat in seats:
                self._newest.pop((room, seat), None)
                self._finished.append((room, seat))
            self._news.notify()

    @property
    def runs(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    @property
    def new(self) -> bool:
        """Whether it has answered nothing yet."""
        return self._turns <= 1

    def busy_s(self, now: float) -> float:
        """For how long it has been seen to think about what it thinks about, by the clock of who asks: in the
        time in which the server was stopped it could not answer either."""
        turn = self._turns
        if turn != self._seen[0]:
            self._seen = turn, now
        return now - self._seen[1] if turn % 2 else 0.0

    def abandon(self) -> list[Ask]:
        """Take everything away from it; what it was asked and has not answered."""
        with self._news:
            self._stopped = True
            waiting = [ask for group in self._groups for ask in group.asks]
            self._groups.clear()
            self._waiting = 0
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
        while True:
            problem = ""
            with self._news:
                while not (self._groups or self._finished or self._stopped):
                    self._news.wait()
                if self._stopped:
                    break
                group, finished = self._take(), self._finished
                self._finished = []
                self._thinking = group.asks if group else ()
                self._turns += 1
            if policy is None and group is not None:
                try:
                    loaded = load_policy(self._source)
                    session = loaded.begin() if isinstance(loaded, SessionPolicy) else None
                    if "torch" in sys.modules:  # its threads would take the cores from the rooms
                        sys.modules["torch"].set_num_threads(1)
                    policy = loaded
                except Exception as error:  # it may have been written just then: loaded again for the next
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
            self._thinking = ()
            self._turns += 1
        if session is not None:
            session.close()

    def _take(self) -> _Group | None:
        """Up to `AT_ONCE` of what waits and is of the same kind as the first, without what is asked anew
        already. Those go first that have waited longest; the others follow when each kind had its turn."""
        if not self._groups:
            return None
        kind = self._groups[0].kind
        taken = self._merged(kind)
        self._groups = [group for group in self._groups if group.kind != kind]
        if taken is not None and len(taken.asks) > AT_ONCE:
            since = {seat: place for place, seat in enumerate(self._newest)}  # asked anew, it keeps its place
            order = np.argsort([since[_seat_of(ask)] for ask in taken.asks], kind="stable")
            self._groups.append(taken.of(order[AT_ONCE:]))
            taken = taken.of(order[:AT_ONCE])
        self._waiting = sum(len(each.asks) for each in self._groups)
        for ask in taken.asks if taken else ():
            self._newest.pop(_seat_of(ask), None)
        return taken

    def _merged(self, kind: str) -> _Group | None:
        """What waits of a kind, each seat's newest ask alone; None where there is nothing."""
        same = [group for group in self._groups if group.kind == kind]
        asks = [ask for group in same for ask in group.asks]
        fresh = [self._newest.get(_seat_of(ask)) == ask.tick for ask in asks]
        first = same[0]
        if len(same) == 1 and all(fresh):
            return first
        places = np.flatnonzero(fresh)
        if not len(places):
            return None
        memories = [group.memories for group in same if group.memories is not None]
        views = np.concatenate([group.views for group in same])
        masks = np.concatenate([group.masks for group in same])
        merged = _Group(kind, tuple(asks), views, masks, np.concatenate(memories) if memories else None)
        return merged.of(places)

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
                answers += self._answer(policy, session, group.of(np.array([place])), rng)
            return answers
        answers = []
        for ask, action in zip(group.asks, actions.tolist(), strict=True):
            forfeit = session.conduct(self._number(ask)).forfeit if session is not None else None
            problem = f"{self.name} forfeits {forfeit}" if forfeit else ""
            answers.append(Answer(ask, int(action), problem, forfeits=bool(forfeit)))
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
        seat = _seat_of(ask)
        if seat not in self._numbers:
            self._numbers[seat] = next(self._next_number)
        return self._numbers[seat]

    def _end_games(self, session: Session, finished: list[tuple[str, int]]) -> None:
        numbers = [self._numbers.pop(each) for each in finished if each in self._numbers]
        if numbers:
            session.finish(np.array(numbers, np.int64))
