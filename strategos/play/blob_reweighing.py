"""Beliefs of Blob that take into account how the others bid and play: sampled worlds weighed by a policy.

Bayes' rule by sampling: candidates are drawn uniformly, the round of each is played again from the hands
that it implies, a policy says how likely the others' bids and plays were, and worlds are drawn again in
proportion.
Source: importance resampling as in D. B. Rubin, *The calculation of posterior distributions by data
augmentation*, 1987; the systematic draw is G. Kitagawa's, 1996.
"""

from __future__ import annotations

import numpy as np

from strategos.games.blob import rules
from strategos.games.blob.record import BID, DECK, MAX_PLAYERS
from strategos.games.compiled import kernel
from strategos.games.rng import derive, uniform
from strategos.games.spec import Game
from strategos.play.blob_beliefs import BlobBeliefs, renew_streams
from strategos.play.search.config import Probabilities

_RESAMPLING = 2  # child of a caller's key; 0 and 1 are the uniform sampler's


@kernel
def _rewind(states, history):
    """Bring `states` [n] back to the beginning of their round; write the actions since, `history` [n, 60]."""
    for row in range(states.shape[0]):
        state = states[row]
        players = state.players
        for place in range(state.num_bids):
            history[row, place] = BID + state.bids[(state.dealer + 1 + place) % players]
        for place in range(state.num_plays):
            card = int(state.plays[place])
            history[row, state.num_bids + place] = card
            state.hand[(state.leaders[place // players] + place % players) % players] |= 1 << card
        state.tick -= state.num_bids + state.num_plays
        rules.clear_table(state)


@kernel
def _resample(candidates, logs, keys, worlds):
    """Draw `worlds` [B, W] systematically from `candidates` [B, N] with log weights `logs` [B, N]."""
    number, wanted = candidates.shape[1], worlds.shape[1]
    for row in range(candidates.shape[0]):
        highest = -np.inf
        for place in range(number):
            highest = max(highest, logs[row, place])
        if (
            highest == -np.inf
        ):  # the policy would never have done what was seen: nothing can be learnt from it
            logs[row, :] = 0.0
            highest = 0.0
        total = 0.0
        for place in range(number):
            total += np.exp(logs[row, place] - highest)
        offset = uniform(derive(keys[row], _RESAMPLING), 0)
        passed, world = 0.0, 0
        for place in range(number):
            passed += np.exp(logs[row, place] - highest)
            while world < wanted and (world + offset) * (total / wanted) < passed:
                worlds[row, world] = candidates[row, place]
                world += 1


def log_likelihoods(
    game: Game,
    worlds: np.ndarray,
    seats: np.ndarray,
    probabilities: Probabilities,
    *,
    plays: bool = True,
    doubt: float = 0.0,
) -> np.ndarray:
    """How likely the others' bids (and plays) of this round were in `worlds` [B, N]: logs [B, N] float64.

    `game` is the single round that the worlds are of; the worlds of a row share all that is public, and
    `seats` [B] are those who look on. `doubt` is the share of actions that anyone may have made at random.
    """
    number = worlds.shape[1]
    replay = worlds.reshape(-1).copy()
    history = np.zeros((len(replay), MAX_PLAYERS + DECK), np.int32)
    lengths = replay["num_bids"] + replay["num_plays"] if plays else replay["num_bids"].copy()
    _rewind(replay, history)
    logs = np.zeros(len(replay))
    rows = np.arange(len(replay))
    onlookers = np.repeat(seats, number)
    seen = np.zeros((len(replay), game.spec.num_players), game.view_dtype)
    masks = np.zeros((len(replay), game.spec.num_players, game.spec.mask_bytes), np.uint8)
    illegal = np.zeros((len(replay), game.spec.num_players), np.uint8)
    nothing = np.zeros((0, game.spec.num_players), game.memory_dtype)
    for move in range(int(lengths.max(initial=0))):
        running = lengths[rows] > move
        if not running.all():
            rows, replay = rows[running], replay[running]
        size, taken, movers = len(rows), history[rows, move], replay["turn"]
        if (movers != onlookers[rows]).any():
            game.observe(replay, seen[:size], masks[:size], nothing)
            choices = masks[np.arange(size), movers]
            legal = np.bitwise_count(choices).sum(axis=1)
            asked = np.flatnonzero((movers != onlookers[rows]) & (legal > 1))
            if len(asked):
                answers = probabilities(seen[asked, movers[asked]], choices[asked])
                chance = answers[np.arange(len(asked)), taken[asked]].astype(np.float64)
                with np.errstate(divide="ignore"):
                    logs[rows[asked]] += np.log((1 - doubt) * chance + doubt / legal[asked])
        actions = np.repeat(taken[:, None], game.spec.num_players, axis=1)
        game.step(replay, actions, illegal[:size])
    return logs.reshape(worlds.shape)


class ReweighedBeliefs:
    """Beliefs that expect the others to act as `probabilities` says.

    `candidates` uniform worlds are weighed for each view; more of them than worlds are wanted, or nothing is
    gained. Without `plays` only bids are weighed, at most one question for each other seat and candidate.
    With `doubt` 0 a world in which the policy would never have acted as was seen is impossible.
    """

    def __init__(
        self,
        beliefs: BlobBeliefs,
        probabilities: Probabilities,
        *,
        candidates: int = 64,
        plays: bool = True,
        doubt: float = 0.05,
    ) -> None:
        if candidates < 1 or not 0 <= doubt <= 1:
            raise ValueError(f"at least 1 candidate and a doubt of 0 to 1, not {candidates} and {doubt}")
        self.beliefs, self.probabilities = beliefs, probabilities
        self.candidates, self.plays, self.doubt = candidates, plays, doubt
        self.game: Game = beliefs.game

    def sample(
        self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray, worlds: int
    ) -> np.ndarray:
        """Draw states [B, worlds], a likely candidate several times; see `BlobBeliefs.sample`."""
        keys = np.ascontiguousarray(keys, np.int64)
        candidates = self.beliefs.sample(views, memories, keys, self.candidates)
        logs = log_likelihoods(
            self.game, candidates, views["me"], self.probabilities, plays=self.plays, doubt=self.doubt
        )
        drawn = np.empty((len(views), worlds), self.game.state_dtype)
        _resample(candidates, logs, keys, drawn)
        renew_streams(drawn, keys)
        return drawn
