"""Games replayed in lock step are the games replayed one by one, and what is wrong is found."""

import dataclasses

import numpy as np
import pytest

from strategos.games import make_game
from strategos.games.spec import LEAVE
from strategos.play.agents import load_policy
from strategos.play.lock_step import replay_together, verify_together
from strategos.play.match import hash_state, play_games, play_match
from strategos.play.record import RecordError, match_records, replay

KINDS = {
    "generals": (make_game("generals", height=8, width=8), ["expander", "random"]),
    "blob": (make_game("blob", players=3, cards=4), ["heuristic", "random", "heuristic"]),
}


@pytest.fixture(scope="module", params=list(KINDS))
def played(request):
    game, names = KINDS[request.param]
    match = play_match(
        game, [load_policy(name) for name in names], num_games=12, seed=5, tick_limit=70, record=True
    )
    return game, match_records(game, match)


def test_lock_step_shows_the_states_that_a_replay_shows(played):
    game, records = played
    together: list[list[bytes]] = [[] for _ in records]
    for moment in replay_together(game, records):
        for row, state in zip(moment.rows, moment.states, strict=True):
            assert len(together[row]) == moment.tick
            together[row].append(state.tobytes())
    alone = [[states.tobytes() for states in replay(record)] for record in records]
    assert together == alone


def test_every_change_to_a_record_is_found(played):
    _, records = played
    verify_together(records)
    last = records[-1]
    other = last.actions[::-1].copy()
    gone = last.actions.copy()
    gone[0, 0] = LEAVE
    for wrong in (
        dataclasses.replace(last, final_hash="0" * 64),
        dataclasses.replace(last, actions=other),
        dataclasses.replace(last, actions=gone),
        dataclasses.replace(last, actions=last.actions[:-1]),
        dataclasses.replace(last, actions=np.concatenate([last.actions, last.actions])),
        dataclasses.replace(last, returns=tuple(1 + each for each in last.returns)),
        dataclasses.replace(last, truncated=not last.truncated),
        dataclasses.replace(last, options={**last.options, "players": 99}),
        dataclasses.replace(last, players=(*last.players, "nobody")),
        dataclasses.replace(last, returns=last.returns[:-1]),
    ):
        with pytest.raises(RecordError, match=f"^game {len(records) - 1}: "):
            verify_together([*records[:-1], wrong])


def test_actions_of_another_number_of_seats_are_found():
    """Of one column NumPy would make as many as there are seats, here the ones that were played."""
    game, _ = KINDS["generals"]
    expander = load_policy("expander")
    match = play_match(game, [expander, expander], num_games=2, seed=5, tick_limit=3, record=True)
    first, last = match_records(game, match)
    passes = np.full((3, 2), game.spec.num_actions - 1, np.int32)
    states = np.zeros(1, game.state_dtype)
    illegal = np.zeros((1, 2), np.uint8)
    game.reset(states, np.array([last.seed], np.int64))
    for actions in passes:
        game.step(states, actions[None], illegal)
    idle = dataclasses.replace(last, actions=passes, final_hash=hash_state(states))
    verify_together([first, idle])
    with pytest.raises(RecordError, match=r"^game 1: actions have shape \(3, 1\); expected \[ticks, 2\]"):
        verify_together([first, dataclasses.replace(idle, actions=passes[:, :1])])


def test_games_of_any_seating_are_those_of_a_match():
    game, names = KINDS["generals"]
    policies = [load_policy(name) for name in [*names, "hunter"]]
    seeds = np.array([7, 8, 9, 9])
    seating = np.array([[0, 1], [1, 2], [2, 2], [0, 2]])
    games, again = (
        play_games(
            game,
            policies,
            seeds,
            seating,
            rng=np.random.default_rng(1),
            tick_limit=60,
            record=True,
            threads=t,
        )
        for t in (1, 2)
    )
    assert [each.seats for each in games] == [tuple(row) for row in seating.tolist()]
    assert [each.final_hash for each in games] == [each.final_hash for each in again]
    assert [each.seed for each in games] == seeds.tolist()


def test_what_is_told_of_every_tick_can_break_off():
    game, names = KINDS["generals"]
    told = []

    def on_tick(ended):
        told.append(ended)
        if len(told) == 3:
            raise KeyboardInterrupt

    policies = [load_policy(name) for name in names]
    seating = np.array([[0, 1]])
    with pytest.raises(KeyboardInterrupt):
        play_games(
            game,
            policies,
            np.ones(1, np.int64),
            seating,
            rng=np.random.default_rng(1),
            tick_limit=60,
            on_tick=on_tick,
        )
    assert told == [0, 0, 0]
    told[:] = [0] * 10
    play_games(
        game,
        policies,
        np.ones(1, np.int64),
        seating,
        rng=np.random.default_rng(1),
        tick_limit=5,
        on_tick=on_tick,
    )
    assert told[10:] == [0, 0, 0, 0, 1]
