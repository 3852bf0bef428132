"""Blob: random rounds a second beside OpenSpiel's, the time of a clone, simulations a second of the search.

    python bench/blob.py [--json] [--quick]

All on one thread, the search with a network on two. A round is dealt, bid and played to its end by
uniformly random legal actions. `pyspiel/...` is the same by OpenSpiel's `oh_hell` in a Python loop, chance
nodes included; it is left out where `open_spiel` (in the test extra) is not installed. A search is at the
first bid; every simulation reaches a new leaf or the end of the round, or the measurement fails.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from measurement import Options, parse_options, rates, report

from strategos.games import Game, make_game
from strategos.play.beliefs import make_beliefs
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import Search, SearchConfig

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


def bidding_worlds(groups: int, worlds: int) -> tuple[Game, np.ndarray, np.ndarray]:
    """Decisions of the first bid with sampled hands: the game, worlds [G, W] and the seats that bid."""
    game = make_game("blob", players=PLAYERS, cards=CARDS)
    states = np.zeros(groups, game.state_dtype)
    game.reset(states, np.arange(groups, dtype=np.int64))
    views = np.zeros((groups, PLAYERS), game.view_dtype)
    game.view(states, views)
    seats = states["turn"].astype(np.int64)
    own = views[np.arange(groups), seats]
    return game, make_beliefs(game).sample(own, None, np.arange(groups, dtype=np.int64), worlds), seats


def search_rates(search: Search, worlds: np.ndarray, seats: np.ndarray, repetitions: int) -> list[float]:
    """Simulations a second; fails where a simulation was none (trap 18)."""
    keys = np.arange(len(seats), dtype=np.int64)
    simulations = worlds.size * search.config.simulations

    def play() -> float:
        found = search.run(worlds, seats, keys)
        if (found.leaves + found.terminals).sum() != simulations:
            raise RuntimeError("some simulations reached neither a new leaf nor the end of the round")
        return simulations

    play()  # compiles, makes room
    return rates(play, repetitions)


def measure_search_rollouts(options: Options) -> None:
    """`search/rollouts`: one core, a random playout a leaf, 256 trees of 100 simulations."""
    game, worlds, seats = bidding_worlds(16, 16)
    search = Search(game, SearchConfig(worlds=16, simulations=100), RolloutEvaluator())
    values = search_rates(search, worlds, seats, 15 if options.quick else 51)
    report(options, "search/rollouts", values, "simulations/s", target="150,000")


def measure_search_network(options: Options) -> None:
    """`search/network`: two threads, 3 worlds x 30 simulations, the default network at the leaves."""
    import torch

    from strategos.play.evaluators.network import NetworkEvaluator
    from strategos.play.network import build_network, describe_network

    torch.set_num_threads(1)
    game, worlds, seats = bidding_worlds(128, 3)
    network = build_network(describe_network(game.spec, "cards", False)).eval()
    config = SearchConfig(worlds=3, simulations=30)
    searches = [Search(game, config, NetworkEvaluator(game, network)) for _ in range(2)]
    repetitions = 5 if options.quick else 15
    with ThreadPoolExecutor(2) as threads:
        parts = list(threads.map(lambda search: search_rates(search, worlds, seats, repetitions), searches))
    values = [sum(pair) for pair in zip(*parts, strict=True)]
    parameters = sum(each.numel() for each in network.parameters())
    report(options, "search/parameters", [parameters / 1e6], "M")
    report(options, "search/network", values, "simulations/s", target="20,000 on 2 cores")


def measure_self_play(options: Options) -> None:
    """`self-play/4x5`: checked rounds a minute, two threads, 3 worlds x 30 simulations with the network."""
    import torch

    from strategos.play.evaluators.network import NetworkEvaluator
    from strategos.play.network import build_network, describe_network
    from strategos.play.searcher import Searcher
    from strategos.train.alphazero_tables import SelfPlayConfig
    from strategos.train.deals import Deals
    from strategos.train.self_play import SelfPlay

    torch.set_num_threads(1)
    game = make_game("blob", players=PLAYERS, cards=CARDS)
    tables = [Deals((game,), (1.0,))]
    network = build_network(describe_network(game.spec, "cards", False, bfloat16=True)).eval()
    search = SearchConfig(worlds=3, simulations=30)
    workers = [SelfPlay(tables, SelfPlayConfig(games=256), worker, 1) for worker in range(2)]
    searchers = [[Searcher(game, search, NetworkEvaluator(game, network))] for _ in workers]
    rounds = 128  # of each worker

    def play(worker: int) -> int:
        return workers[worker].play(rounds, searchers[worker], lambda: False).checked_rounds

    values = []
    with ThreadPoolExecutor(2) as threads:
        for repetition in range(4 if options.quick else 9):
            (rate,) = rates(lambda: sum(threads.map(play, range(2))), 1)
            if repetition:  # the first one compiles and fills the tables
                values.append(rate * 60)
    report(options, f"self-play/{TABLE}", values, "rounds/minute", target="1,500 on 2 cores")


MEASUREMENTS = (
    measure_rounds,
    measure_clone,
    measure_search_rollouts,
    measure_search_network,
    measure_self_play,
)


def main() -> None:
    options = parse_options(__doc__)
    for measure in MEASUREMENTS:
        measure(options)


if __name__ == "__main__":
    main()
