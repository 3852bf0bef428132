"""A game as a text that people can read and that changes when anything in the rules does.

python tests/golden/playthrough.py     records all anew; read the difference before committing it
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from strategos.games import make_game

FOLDER = Path(__file__).parent
RECORDINGS: dict[str, tuple[str, dict, int, int]] = {
    "kuhn": ("kuhn", {}, 12, 3),
    "blob": ("blob", {"players": 4, "cards": 5, "scoring": "tricks_plus_bonus"}, 1, 24),
    "blob-game": ("blob", {"players": 3, "cards": 2, "rounds": "all"}, 1, 36),
    "blob-turned-up": ("blob", {"players": 8, "cards": 2, "turned_up": True}, 1, 24),
    "generals": ("generals", {"height": 6, "width": 6, "min_height": 5}, 1, 90),
    "generals-teams": ("generals", {"height": 9, "width": 8, "players": 4, "teams": (0, 1, 0, 1)}, 1, 60),
    "generals-competition": ("generals", {"height": 6, "width": 6, "ruleset": "competition"}, 1, 60),
    "generals-classic": ("generals", {"height": 6, "width": 6, "ruleset": "classic"}, 1, 60),
}
"""Name: (game, options, games played, ticks of each)."""
SHOWN_EVERY = {"kuhn": 1, "blob": 4, "generals": 15}


def playthrough(name: str) -> Iterator[str]:
    """The lines of a recording: what was played on every tick, and what everyone sees now and then."""
    kind, options, num_games, ticks = RECORDINGS[name]
    game = make_game(kind, **options)
    states = np.zeros(num_games, game.state_dtype)
    game.reset(states, np.arange(100, 100 + num_games, dtype=np.int64))
    shape = (num_games, game.spec.num_players)
    actions, illegal = np.zeros(shape, np.int32), np.zeros(shape, np.uint8)
    yield f"{kind} {options}"
    yield f"players {shape[1]}, actions {game.spec.num_actions}, mask bytes {game.spec.mask_bytes}"
    for tick in range(ticks + 1):
        yield from _observed(game, states, tick)
        if tick == ticks or game.over(states).all():
            break
        game.random_actions(states, actions)
        game.step(states, actions, illegal)
        yield f"tick {tick}: " + " ".join(",".join(map(str, row)) for row in actions.tolist())
    returns = np.zeros(shape, np.float32)
    game.returns(states, returns)
    yield f"over {game.over(states).astype(int).tolist()}"
    yield f"returns {returns.tolist()}"


def _observed(game, states: np.ndarray, tick: int) -> Iterator[str]:
    """A fingerprint of views and masks on every tick; positions and views as pictures now and then."""
    players = game.spec.num_players
    views = np.zeros((len(states), players), game.view_dtype)
    masks = np.zeros((len(states), players, game.spec.mask_bytes), np.uint8)
    game.view(states, views)
    game.legal(states, masks)
    legal = np.unpackbits(masks, axis=-1).sum(axis=-1)
    seen = hashlib.sha256(masks.tobytes())
    for view in views.ravel():
        seen.update(game.notation.format_view(view).encode())
    yield f"legal {legal.tolist()} seen {seen.hexdigest()[:12]}"
    if tick % SHOWN_EVERY[game.spec.name] == 0:
        for state, seats in zip(states, views, strict=True):
            yield game.notation.format_state(state)
            yield "seen by the first player:\n" + game.notation.format_view(seats[0])


if __name__ == "__main__":
    for name in RECORDINGS:
        (FOLDER / f"{name}.txt").write_text("\n".join(playthrough(name)) + "\n", encoding="utf-8")
        print(f"wrote {name}.txt")
