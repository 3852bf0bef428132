"""Many games of one kind, stepped together: records in, records out.

A batch owns its states and writes into arrays that are made once; no kernel allocates anything, and a
step in Python makes a few small arrays for the games that end on it.
Every game has its own stream of boards, a function of (seed, game, episode) alone, so neither the
number of threads nor what other games do changes a game. Knows no particular game.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from strategos.engine.pool import Pool
from strategos.games.compiled import kernel
from strategos.games.rng import derive
from strategos.games.spec import Game

AUTORESET_MODES = ("disabled", "next_step", "same_step")
_FORMAT = 1


@dataclass
class Observation:
    """What the players of a batch may know: views [B, P], packed masks [B, P, mask_bytes] uint8 and
    memories [B, P] (length 0 where they are not kept)."""

    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray

    @classmethod
    def allocate(cls, game: Game, num_games: int, memory: bool = True) -> Observation:
        """Zeroed arrays for `num_games` games."""
        players = game.spec.num_players
        kept = num_games if memory and game.spec.has_memory else 0
        return cls(
            np.zeros((num_games, players), game.view_dtype),
            np.zeros((num_games, players, game.spec.mask_bytes), np.uint8),
            np.zeros((kept, players), game.memory_dtype),
        )


@dataclass(frozen=True)
class _Slice:
    """One thread's rows of a batch's arrays, made once: making them again costs as much as 50 games."""

    states: np.ndarray
    actions: np.ndarray
    illegal: np.ndarray
    ends: tuple[np.ndarray, ...]
    """lengths, ended, terminated, truncated, returns"""
    seen: tuple[np.ndarray, ...]
    """views, masks, memories"""


class _Saved(msgspec.Struct):
    """A batch as bytes: MessagePack of plain arrays."""

    format: int
    game: str
    options: str
    seed: int
    tick_limit: int
    autoreset: str
    num_games: int
    states: bytes
    memories: bytes
    episodes: bytes
    lengths: bytes
    ended: bytes
    last_step: bytes
    """terminated, truncated, returns and illegal, one after the other"""


class Batch:
    """`num_games` games of `game`.

    `tick_limit` truncates a game after so many steps (0: never). `autoreset` follows Gymnasium:
    "disabled" leaves ended games as they are, "next_step" begins a new game on the step after the
    end (whose action is ignored), "same_step" begins it at once and keeps the last observation of the
    ended game in `final`. `memory=False` leaves players' memories out.

    After `reset` or `step`: `observation`, `terminated` [B] bool, `truncated` [B] bool,
    `illegal` [B, P] uint8, `returns` [B, P] float32 (of games that ended on this step, else 0).
    """

    def __init__(
        self,
        game: Game,
        num_games: int,
        *,
        seed: int = 0,
        threads: int | None = None,
        tick_limit: int = 0,
        autoreset: str = "disabled",
        memory: bool = True,
    ) -> None:
        if autoreset not in AUTORESET_MODES:
            raise ValueError(f"autoreset must be one of {', '.join(AUTORESET_MODES)}, not {autoreset!r}")
        if num_games < 1:
            raise ValueError(f"a batch needs at least 1 game, not {num_games}")
        if tick_limit < 0:
            raise ValueError(f"tick_limit must be 0 (none) or more, not {tick_limit}")
        self.game, self.num_games, self.seed = game, num_games, seed
        self.tick_limit, self.autoreset = tick_limit, autoreset
        self._pool = Pool(threads)
        players = game.spec.num_players
        self.states = np.zeros(num_games, game.state_dtype)
        self.observation = Observation.allocate(game, num_games, memory)
        self.final = Observation.allocate(game, num_games if autoreset == "same_step" else 0, memory)
        self.terminated = np.zeros(num_games, bool)
        self.truncated = np.zeros(num_games, bool)
        self.illegal = np.zeros((num_games, players), np.uint8)
        self.returns = np.zeros((num_games, players), np.float32)
        self.lengths = np.zeros(num_games, np.int32)
        self._ended = np.zeros(num_games, bool)
        self._episodes = np.zeros(num_games, np.int64)
        self._keys = np.array([derive(seed, game_index) for game_index in range(num_games)], np.int64)
        self._actions = np.zeros((num_games, players), np.int32)
        self._slices: dict[tuple[int, int], _Slice] = {}

    def reset(self, rows: Sequence[int] | np.ndarray | None = None, seeds: np.ndarray | None = None) -> None:
        """Begin new games in all rows, or in `rows`; `seeds` [len(rows)] int64 choose the boards.

        Without `seeds` every game takes the next board of its own stream.
        """
        chosen = np.arange(self.num_games) if rows is None else np.asarray(rows, np.int64)
        if seeds is not None and len(seeds) != len(chosen):
            raise ValueError(f"one seed for each of the {len(chosen)} games is needed, got {len(seeds)}")

        def begin(first: int, last: int) -> None:
            for place in range(first, last):
                row = int(chosen[place])
                self._begin(row, None if seeds is None else int(seeds[place]))
                self._observe(row, row + 1)

        self._pool.run(begin, len(chosen))

    def step(self, actions: np.ndarray) -> None:
        """Play `actions` [B, P] int32 and observe. An illegal id passes and is marked in `illegal`."""
        if actions.shape != self._actions.shape:
            raise ValueError(f"actions must have shape {self._actions.shape}, not {actions.shape}")
        if not np.issubdtype(actions.dtype, np.integer):
            raise TypeError(f"actions must be integers, not {actions.dtype}")
        if actions.dtype != np.int32:  # a wider id must not wrap into a legal one
            actions = np.where((actions < 0) | (actions >= self.game.spec.num_actions), -1, actions)
        np.copyto(self._actions, actions, casting="unsafe")
        self._pool.run(lambda first, last: self._step_slice(first, last, self.game.step), self.num_games)

    def step_randomly(self, ticks: int = 1, observe: bool = True) -> None:
        """`ticks` steps of uniformly random legal actions from each game's own stream.

        What `terminated`, `returns` and the rest say is of the last of them.
        """

        def work(first: int, last: int) -> None:
            for _ in range(ticks):
                self._step_slice(first, last, self.game.play_randomly, observe)

        self._pool.run(work, self.num_games)

    def random_actions(self, actions: np.ndarray) -> None:
        """Fill `actions` [B, P] int32 with uniformly random legal actions (pass only for want of others)."""
        self._pool.run(
            lambda first, last: self.game.random_actions(self.states[first:last], actions[first:last]),
            self.num_games,
        )

    def observe(self) -> None:
        """Write `observation` anew, after `states` was changed by hand."""
        self._pool.run(self._observe, self.num_games)

    def clone_rows(self, source: Sequence[int] | np.ndarray, target: Sequence[int] | np.ndarray) -> None:
        """Copy games `source` over games `target`: state, memory, observation, length and last step.

        The boards that a target game will play next stay its own.
        """
        source, target = np.asarray(source, np.int64), np.asarray(target, np.int64)
        if source.shape != target.shape:
            raise ValueError(f"{source.size} games cannot be copied over {target.size}")
        seen = self.observation
        for array in (self.states, self.lengths, self._ended, seen.views, seen.masks, *self._last_step()):
            array[target] = array[source]
        if len(self.observation.memories):
            self.observation.memories[target] = self.observation.memories[source]

    def save(self) -> bytes:
        """The whole batch, to go on with exactly by `load`; only `final` is not kept."""
        return msgspec.msgpack.encode(
            _Saved(
                format=_FORMAT,
                game=self.game.spec.name,
                options=_options_text(self.game),
                seed=self.seed,
                tick_limit=self.tick_limit,
                autoreset=self.autoreset,
                num_games=self.num_games,
                states=self.states.tobytes(),
                memories=self.observation.memories.tobytes(),
                episodes=self._episodes.tobytes(),
                lengths=self.lengths.tobytes(),
                ended=self._ended.tobytes(),
                last_step=b"".join(array.tobytes() for array in self._last_step()),
            )
        )

    @classmethod
    def load(cls, game: Game, data: bytes, *, threads: int | None = None) -> Batch:
        """The batch that `save` wrote; `ValueError` if `data` is damaged or of another game."""
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except msgspec.DecodeError as error:
            raise ValueError(f"not a saved batch, or a damaged one: {error}") from None
        if saved.format != _FORMAT:
            raise ValueError(f"a saved batch of format {saved.format}; this version reads {_FORMAT}")
        if (saved.game, saved.options) != (game.spec.name, _options_text(game)):
            raise ValueError(
                f"the saved batch is of {saved.game!r} with options {saved.options}; "
                f"this game is {game.spec.name!r} with {_options_text(game)}"
            )
        batch = cls(
            game,
            saved.num_games,
            seed=saved.seed,
            threads=threads,
            tick_limit=saved.tick_limit,
            autoreset=saved.autoreset,
            memory=bool(saved.memories),
        )
        parts = (
            ("states", batch.states, saved.states),
            ("memories", batch.observation.memories, saved.memories),
            ("episodes", batch._episodes, saved.episodes),
            ("lengths", batch.lengths, saved.lengths),
            ("ended", batch._ended, saved.ended),
        )
        for name, array, content in parts:
            if len(content) != array.nbytes:
                raise ValueError(f"the saved batch's {name} hold {len(content)} bytes, not {array.nbytes}")
            array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)
        last_step, first = batch._last_step(), 0
        if len(saved.last_step) != sum(array.nbytes for array in last_step):
            raise ValueError("the saved batch's last step is cut short")
        for array in last_step:
            content = saved.last_step[first : first + array.nbytes]
            array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)
            first += array.nbytes
        batch.observe()
        return batch

    def _last_step(self) -> tuple[np.ndarray, ...]:
        return self.terminated, self.truncated, self.returns, self.illegal

    def _begin(self, row: int, seed: int | None = None) -> None:
        if seed is None:
            seed = derive(self._keys[row], self._episodes[row])
            self._episodes[row] += 1
        self.game.reset(self.states[row : row + 1], np.array([seed], np.int64))
        self.lengths[row] = 0
        self._ended[row] = self.terminated[row] = self.truncated[row] = False
        self.returns[row] = 0
        self.illegal[row] = 0

    def _observe(self, first: int, last: int) -> None:
        seen = self.observation
        self.game.observe(
            self.states[first:last], seen.views[first:last], seen.masks[first:last], seen.memories[first:last]
        )

    def _observe_end(self, row: int) -> None:
        """Keep the last observation of the game that has just ended in `row`."""
        final, memories = self.final, self.observation.memories
        rows = slice(row, row + 1)
        self.game.observe(self.states[rows], final.views[rows], final.masks[rows], memories[rows])
        final.memories[rows] = memories[rows]

    def _slice(self, first: int, last: int) -> _Slice:
        if (first, last) not in self._slices:
            rows, seen = slice(first, last), self.observation
            self._slices[first, last] = _Slice(
                states=self.states[rows],
                actions=self._actions[rows],
                illegal=self.illegal[rows],
                ends=(
                    self.lengths[rows],
                    self._ended[rows],
                    self.terminated[rows],
                    self.truncated[rows],
                    self.returns[rows],
                ),
                seen=(seen.views[rows], seen.masks[rows], seen.memories[rows]),
            )
        return self._slices[first, last]

    def _step_slice(self, first: int, last: int, play: Callable[..., None], observe: bool = True) -> None:
        part = self._slice(first, last)
        _, ended, terminated, _, returns = part.ends
        was_ended = np.flatnonzero(ended) if self.autoreset == "next_step" else ()
        play(part.states, part.actions, part.illegal)
        if _account(self.game.over(part.states), self.tick_limit, *part.ends):
            final = np.zeros_like(returns)
            self.game.returns(part.states, final)
            returns[terminated] = final[terminated]
            if self.autoreset == "same_step":
                for row in np.flatnonzero(ended):
                    self._finish(first + int(row))
        for row in was_ended:
            self._begin(first + int(row))
        if observe:
            self.game.observe(part.states, *part.seen)

    def _finish(self, row: int) -> None:
        """Begin a new game in the place of one that ended on this step, and keep what that step said."""
        self._observe_end(row)
        terminated, truncated = self.terminated[row], self.truncated[row]
        returns, illegal = self.returns[row].copy(), self.illegal[row].copy()
        self._begin(row)
        self.terminated[row], self.truncated[row] = terminated, truncated
        self.returns[row], self.illegal[row] = returns, illegal


def _options_text(game: Game) -> str:
    return json.dumps(game.options, sort_keys=True)


@kernel
def _account(over, tick_limit, lengths, ended, terminated, truncated, returns):
    """Count the step, mark the games that it ended, clear `returns`; how many it ended."""
    num_ended = 0
    for game in range(over.shape[0]):
        lengths[game] += 1
        running = not ended[game]
        terminated[game] = running and over[game]
        truncated[game] = running and not over[game] and 0 < tick_limit <= lengths[game]
        if terminated[game] or truncated[game]:
            ended[game] = True
            num_ended += 1
        returns[game, :] = 0
    return num_ended
