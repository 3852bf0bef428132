"""An arena: games of Generals in which some seats are yours and policies of your choice play the rest.

The three environments are adapters over this one room, which joins the engine's batch, the
opponents, the rewards and the observation planes. It knows nothing of Gymnasium or PettingZoo
beyond their spaces, and resets nothing by itself: when an episode ends is decided here, what
happens then is the adapter's business.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from strategos.engine.batch import Batch
from strategos.envs.rewards import CAPTURES, count_captures, reward_weights
from strategos.games.generals.game import Generals
from strategos.games.generals.potential import potential
from strategos.games.rng import derive
from strategos.spelling import nearest


class Opponent(Protocol):
    """Anything that acts for one seat of `B` games; `strategos.play` has many."""

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Views [B], packed masks [B, mask_bytes] uint8 and memories [B] of one seat to actions [B].

        Memories are None in a game that keeps none.
        """
        ...


OpponentChoice = Opponent | str | None

ENVIRONMENT_OPTIONS = (
    "size", "opponent", "load_policy", "seat", "planes", "reward", "gamma", "tick_limit",
    "seed", "render_mode", "autoreset", "threads",
)  # fmt: skip
"""What the environments take beside the options of `Generals`, for whoever mistypes one."""


class Arena:
    """`num_games` games of Generals; the seats that `opponents` does not name are the caller's.

    Results stay in `rewards` float64, `terminated`, `truncated`, `illegal` bool and `results`
    int8, all [B, P]. A player's episode is terminated when the game is over or nobody of the
    player's team is alive; `results` is then 1, 0 or -1 for a win, a draw and a loss.
    """

    def __init__(
        self,
        num_games: int,
        *,
        size: int | tuple[int, int],
        players: int,
        ruleset: str,
        planes: str,
        reward: str | Mapping[str, float],
        gamma: float,
        opponents: Mapping[int, Opponent | None],
        tick_limit: int,
        threads: int | None,
        board: Mapping[str, Any],
    ) -> None:
        if not 0.0 <= gamma <= 1.0:
            raise ValueError(f"gamma must be between 0 and 1, not {gamma}")
        if tick_limit < 0:
            raise ValueError(f"tick_limit must be 0 (none) or a number of ticks, not {tick_limit}")
        self.game = make_generals(size, players, ruleset, board)
        self.num_games = num_games
        self.planes = planes
        self.weights = reward_weights(reward)
        self.gamma = gamma
        self.opponents = dict(opponents)
        self.seats = tuple(seat for seat in range(players) if seat not in self.opponents)
        self.batch = Batch(self.game, num_games, tick_limit=tick_limit, threads=threads)
        self.num_actions = self.game.num_actions
        self.observation_space = observation_space(planes, self.game)
        self.action_space = spaces.Discrete(self.num_actions)

        shape = (num_games, players)
        self.rewards = np.zeros(shape)
        self.terminated = np.zeros(shape, np.bool_)
        self.truncated = np.zeros(shape, np.bool_)
        self.illegal = np.zeros(shape, np.bool_)
        self.results = np.zeros(shape, np.int8)
        self._phi = np.zeros(shape)
        self._captures = np.zeros((num_games, len(CAPTURES)), np.int32)
        self._actions = np.full(shape, self.game.pass_action, np.int32)
        self._rng = np.random.default_rng()
        # One stream of boards for each game, a function of its seed alone; the batch's own streams
        # go on across seeded resets, and Gymnasium wants a seed to fix all episodes that follow.
        self._keys = np.zeros(num_games, np.int64)
        self._episodes = np.zeros(num_games, np.int64)

    @property
    def views(self) -> np.ndarray:
        """What every player may know now, [B, P]."""
        return self.batch.observation.views

    def begin(self, rows: np.ndarray | None = None, seeds: Sequence[int] | None = None) -> None:
        """Begin new games in `rows` (all without), and a new stream of boards where there are seeds.

        Seeds for all rows also seed the opponents' random numbers; seeds for some leave them
        alone, so that no other game notices.
        """
        chosen = np.arange(self.num_games) if rows is None else rows
        if seeds is not None:
            keys = [stream_key(seed) for seed in seeds]
            self._keys[chosen] = keys
            self._episodes[chosen] = 0
            if len(chosen) == self.num_games:
                self._rng = np.random.default_rng([key & (2**64 - 1) for key in keys])
        boards = [derive(self._keys[row], self._episodes[row]) for row in chosen]
        self._episodes[chosen] += 1
        self.batch.reset(chosen, np.array(boards, np.int64))
        for array in (self.rewards, self.terminated, self.truncated, self.illegal, self.results):
            array[chosen] = 0
        if self.weights.get("potential"):
            self._phi[chosen] = potential(self.views[chosen, 0])

    def step(self, actions: np.ndarray) -> None:
        """Play one tick: `actions` [B, len(seats)] of the caller's seats, the opponents their own.

        An action outside the mask is played as a pass and marked in `illegal`. Raises
        `ValueError` for an id that is no action at all; then nothing was played.
        """
        self._actions[:, self.seats] = self._checked(actions)
        self._let_opponents_act()
        done_before = self.terminated.copy()
        before = self._land_of_seats()
        self.batch.step(self._actions)
        self.illegal[:] = self.batch.illegal != 0
        self._settle()
        self._pay(before, done_before)

    def observe(self, seat: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The planes of one seat, float32 [len(rows), C, H, W], a fresh array."""
        # torch loads with the planes and not with the environments.
        from strategos.engine.planes import planes

        observation = self.batch.observation
        made = planes(
            self.planes,
            views=observation.views[rows, seat],
            memories=observation.memories[rows, seat],
            masks=observation.masks[rows, seat],
        )
        return made.numpy()

    def masks(self, seat: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The legal actions of one seat, bool [len(rows), num_actions], a fresh array."""
        packed = self.batch.observation.masks[rows, seat]
        bits = np.unpackbits(packed, axis=-1, count=self.num_actions, bitorder="little")
        return bits.view(np.bool_)

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        actions = np.asarray(actions)
        expected = (self.num_games, len(self.seats))
        if actions.shape != expected:
            raise ValueError(
                f"expected actions of shape {expected}, one per game and seat; got {actions.shape}"
            )
        if not np.issubdtype(actions.dtype, np.integer):
            raise ValueError(f"actions must be integers, not {actions.dtype}")
        outside = (actions < 0) | (actions >= self.num_actions)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ValueError(
                f"no action {actions[row, column]} (game {row}, player {self.seats[column]}): "
                f"the ids run from 0 to {self.num_actions - 1}, the last of them to pass"
            )
        return actions

    def _let_opponents_act(self) -> None:
        observation = self.batch.observation
        for seat, opponent in self.opponents.items():
            if opponent is not None:
                self._actions[:, seat] = opponent.act(
                    observation.views[:, seat],
                    observation.masks[:, seat],
                    observation.memories[:, seat],
                    self._rng,
                )

    def _land_of_seats(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Owner and terrain as each of the caller's seats sees them, where a reward asks for captures."""
        if not any(self.weights.get(event) for event in CAPTURES):
            return {}
        return {
            seat: (self.views["owner"][:, seat].copy(), self.views["terrain"][:, seat].copy())
            for seat in self.seats
        }

    def _settle(self) -> None:
        """Whose episodes ended with this tick, and how."""
        views = self.views[:, 0]
        mates = views["team"][:, :, None] == views["team"][:, None, :]
        fallen = ~(mates & (views["alive"] != 0)[:, None, :]).any(2)
        over = self.batch.terminated[:, None]
        winner = self.batch.states["winner"][:, None]
        self.terminated |= over | fallen
        won = np.where(winner < 0, 0, np.where(views["team"] == winner, 1, -1))
        self.results[:] = np.where(over, won, np.where(fallen, -1, 0))
        self.truncated[:] = self.batch.truncated[:, None] & ~self.terminated

    def _pay(self, before: dict[int, tuple[np.ndarray, np.ndarray]], done_before: np.ndarray) -> None:
        weight = self.weights.get
        ended = self.terminated
        rewards = self.rewards
        rewards[:] = weight("tick", 0.0) + weight("illegal", 0.0) * self.illegal
        rewards += weight("win", 0.0) * (ended & (self.results > 0))
        rewards += weight("draw", 0.0) * (ended & (self.results == 0))
        rewards += weight("lose", 0.0) * (ended & (self.results < 0))
        if weight("potential"):
            # The end is worth nothing to the potential; a truncated game still has a future.
            phi = np.where(ended, 0.0, potential(self.views[:, 0]))
            rewards += weight("potential", 0.0) * (self.gamma * phi - self._phi)
            self._phi = phi
        per_capture = np.array([weight(event, 0.0) for event in CAPTURES])
        for seat, (owner, terrain) in before.items():
            after = self.views[:, seat]
            count_captures(
                owner, terrain, after["owner"], after["terrain"], after["team"], seat, self._captures
            )
            rewards[:, seat] += self._captures @ per_capture
        # A player whose episode is over is paid no more, however long the others play on.
        rewards[done_before] = 0.0


def make_generals(
    size: int | tuple[int, int], players: int, ruleset: str, board: Mapping[str, Any]
) -> Generals:
    """The game of `size`: one side of square boards, or the (lowest, highest) of both sides.

    `board` holds further options of `Generals`, which win over `size`. Raises `ValueError` for
    one that there is not, with the nearest that an environment takes.
    """
    known = inspect.signature(Generals).parameters
    for name in board:
        if name not in known:
            hint = nearest(name, (*known, *ENVIRONMENT_OPTIONS)) or f"; choose from {', '.join(known)}"
            raise ValueError(f"no option {name!r}{hint}")
    sides = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(sides) != 2 or sides[0] > sides[1]:
        raise ValueError(f"size must be one side or (lowest, highest), not {size!r}")
    lowest, highest = int(sides[0]), int(sides[1])
    options: dict[str, Any] = {"height": highest, "width": highest}
    if lowest < highest:
        options |= {"min_height": lowest, "min_width": lowest}
    return Generals(players=players, ruleset=ruleset, **(options | dict(board)))


def observation_space(planes: str, game: Generals) -> spaces.Box:
    """Float32 planes [C, H, W] in [0, 1]; `ValueError` for no such set of planes."""
    from strategos.engine.planes import PLANES

    if planes not in PLANES:
        raise ValueError(f"no planes {planes!r}; choose one of {', '.join(PLANES)}")
    return spaces.Box(0.0, 1.0, (PLANES[planes], game.height, game.width), np.float32)


def seat_opponents(
    opponent: OpponentChoice | Sequence[OpponentChoice],
    seats: Sequence[int],
    load_policy: Callable[[str], Opponent] | None,
) -> dict[int, Opponent | None]:
    """Who plays each of `seats`: one policy for all, or one for each; `None` passes.

    A name is looked up with `load_policy`. Raises `ValueError` for a name without `load_policy`
    or a list of another length, `TypeError` for a thing that cannot act.
    """
    chosen: list[Any] = list(opponent) if isinstance(opponent, (list, tuple)) else [opponent] * len(seats)
    if len(chosen) != len(seats):
        raise ValueError(f"{len(chosen)} opponents for {len(seats)} seats; give one for each, or one for all")
    loaded: dict[str, Opponent] = {}
    seated: dict[int, Opponent | None] = {}
    for seat, policy in zip(seats, chosen, strict=True):
        if isinstance(policy, str):
            if load_policy is None:
                raise ValueError(
                    f"opponent {policy!r} is a name and nothing here looks names up; "
                    "pass load_policy=strategos.play.agents.load_policy, or a policy object"
                )
            if policy not in loaded:
                loaded[policy] = load_policy(policy)
            policy = loaded[policy]
        if policy is not None and not callable(getattr(policy, "act", None)):
            raise TypeError(f"opponent {policy!r} has no act(views, masks, memories, rng)")
        seated[seat] = policy
    return seated


def stream_key(seed: int) -> int:
    """A seed of any size, or none of `numpy`'s, as the int64 key of a game's random stream."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ValueError(f"a seed must be an integer, not {seed!r}")
    low = int(seed) & (2**64 - 1)
    return low - 2**64 if low >= 2**63 else low
