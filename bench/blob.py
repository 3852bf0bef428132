"""Blob: random rounds a second beside OpenSpiel's, the time of a clone.

    python bench/blob.py [--json] [--quick]

All on one thread. A round is dealt, bid and played to its end by uniformly random legal actions.
`pyspiel/...` is the same by OpenSpiel's `oh_hell` in a Python loop, chance nodes included; it is left out
where `open_spiel` (in the test extra) is not installed.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable

import numpy as np
from measurement import Options, parse_options, rates, report

from strategos.games import make_game

PLAYERS, CARDS = 4, 5
TABLE = f"{PLAYERS}x{CARDS}"
ROUNDS_A_CALL = 1024


def peer_rounds(options: Options) -> Callable[[], float] | None:
    """OpenSpiel's Python loop over some rounds; `None` where it is not installed."""
    try:
        import pyspiel
    except ImportError:
        print("blob: open_spiel is not installed, so there is nothing to compare with", file=sys.stderr)
        return None
    parameters = {"players": PLAYERS, "num_tricks_fixed": CARDS, "off_bid_penalty": True}
    game = pyspiel.load_game("oh_hell", parameters)
    rounds = 100 if options.quick else 400
    rng = random.Random(1)

    def play() -> float:
        for _ in range(rounds):
            state = game.new_initial_state()
            while not state.is_terminal():
                state.apply_action(rng.choice(state.legal_actions()))
        return rounds

    return play


def measure_rounds(options: Options) -> None:
    """`rounds/4x5` and `pyspiel/4x5`, in turns: the machine may be busier at one time than at another."""
    game = make_game("blob", players=PLAYERS, cards=CARDS)
    states = np.zeros(ROUNDS_A_CALL, game.state_dtype)
    seeds = np.arange(ROUNDS_A_CALL, dtype=np.int64)
    calls = 50 if options.quick else 200  # of about a millisecond

    def play() -> float:
        nonlocal seeds
        for _ in range(calls):
            seeds = seeds + ROUNDS_A_CALL
            game.reset(states, seeds)
            game.playout(states, game.spec.max_ticks)
        return calls * ROUNDS_A_CALL

    play()  # compiles
    play_peer = peer_rounds(options)
    ours, peer = [], []
    for _ in range(15 if options.quick else 31):
        ours += rates(play, 1)
        peer += rates(play_peer, 1) if play_peer else []
    ratio = statistics.median(ours) / statistics.median(peer) if peer else None
    report(
        options,
        f"rounds/{TABLE}",
        ours,
        "rounds/s",
        target="500,000, 10 x pyspiel",
        peer="pyspiel" if peer else "",
        ratio=ratio,
    )
    if peer:
        report(options, f"pyspiel/{TABLE}", peer, "rounds/s")


def measure_clone(options: Options) -> None:
    """`clone/python`: a copy of one state, made from Python by assignment."""
    game = make_game("blob", players=PLAYERS, cards=CARDS)
    states = np.zeros(2, game.state_dtype)
    game.reset(states, np.arange(2))

    def clones() -> float:
        for _ in range(10_000):
            states[1] = states[0]
        return 10_000

    values = [1e6 / rate for rate in rates(clones, 7 if options.quick else 31)]
    report(options, "clone/python", values, "us", target="under 1")


MEASUREMENTS = (measure_rounds, measure_clone)


def main() -> None:
    options = parse_options(__doc__)
    for measure in MEASUREMENTS:
        measure(options)


if __name__ == "__main__":
    main()
