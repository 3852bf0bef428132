"""A batch: threads, autoreset in every mode, bytes, clones, malformed actions (TRAPS 2, 3, 4, 5, 7)."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from strategos.engine import AUTORESET_MODES, Batch
from strategos.engine.pool import Pool
from strategos.games import GAMES, make_game


def small_generals(**options):
    return make_game("generals", height=6, width=6, **options)


def everything(batch: Batch) -> bytes:
    seen = batch.observation
    arrays = (batch.states, seen.views, seen.masks, seen.memories, batch.terminated, batch.truncated)
    return b"".join(array.tobytes() for array in arrays)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("autoreset", AUTORESET_MODES)
def test_threads_do_not_change_a_game(name, autoreset):
    batches = [
        Batch(make_game(name), 100, seed=3, threads=threads, tick_limit=40, autoreset=autoreset)
        for threads in (1, 3)
    ]
    for batch in batches:
        batch.reset()
        batch.step_randomly(90)
    assert everything(batches[0]) == everything(batches[1])


def test_one_call_of_many_ticks_is_many_calls_of_one():
    one, many = (Batch(small_generals(), 40, seed=1, tick_limit=30, autoreset="same_step") for _ in "ab")
    one.reset()
    many.reset()
    one.step_randomly(75)
    actions = np.zeros((40, 2), np.int32)
    for _ in range(75):
        many.random_actions(actions)
        many.step(actions)
    assert everything(one) == everything(many)


def test_boards_differ_between_games_and_between_episodes():
    batch = Batch(small_generals(), 64, seed=0)
    boards = set()
    for _ in range(8):
        batch.reset()
        boards |= {state["terrain"].tobytes() + state["general"].tobytes() for state in batch.states}
    assert len(boards) == 8 * 64


def test_resetting_one_game_never_shifts_another():
    undisturbed, disturbed = (Batch(small_generals(), 8, seed=5) for _ in "ab")
    for batch in (undisturbed, disturbed):
        batch.reset()
    for _ in range(3):
        disturbed.reset([2])
    for batch in (undisturbed, disturbed):
        batch.step_randomly(20)
        batch.reset([0, 1, 3, 4, 5, 6, 7])
    others = np.arange(8) != 2
    assert (undisturbed.states[others] == disturbed.states[others]).all()
    assert undisturbed.states[2] != disturbed.states[2]


def test_given_seeds_choose_the_boards():
    batch = Batch(small_generals(), 4, seed=0)
    batch.reset(seeds=np.array([7, 8, 7, 9]))
    assert batch.states[0] == batch.states[2]
    assert batch.states[0] != batch.states[1]
    with pytest.raises(ValueError, match="one seed for each of the 4 games"):
        batch.reset(seeds=np.array([1]))


def test_truncation_is_not_termination_and_pays_nothing():
    batch = Batch(small_generals(), 32, seed=0, tick_limit=5, autoreset="disabled")
    batch.reset()
    batch.step_randomly(5)
    assert batch.truncated.all()
    assert not batch.terminated.any()
    assert not batch.returns.any()
    batch.step_randomly()
    assert not batch.truncated.any(), "an ended game ends once"


def test_same_step_keeps_the_last_observation():
    game = small_generals()
    batch = Batch(game, 16, seed=2, tick_limit=12, autoreset="same_step")
    twin = Batch(game, 16, seed=2, tick_limit=12, autoreset="disabled")
    batch.reset()
    twin.reset()
    batch.step_randomly(12)
    twin.step_randomly(12)
    assert batch.truncated.all()
    assert (batch.final.views == twin.observation.views).all()
    assert (batch.final.masks == twin.observation.masks).all()
    assert (batch.final.memories == twin.observation.memories).all()
    assert (batch.observation.views["tick"] == 0).all()
    assert (batch.observation.memories["tick"] == 0).all()


def test_next_step_ignores_the_action_after_the_end():
    batch = Batch(small_generals(), 16, seed=2, tick_limit=12, autoreset="next_step")
    batch.reset()
    batch.step_randomly(12)
    assert batch.truncated.all()
    assert (batch.observation.views["tick"] == 12).all()
    batch.step(np.full((16, 2), 99_999, np.int32))
    assert (batch.observation.views["tick"] == 0).all()
    assert not (batch.truncated.any() or batch.terminated.any() or batch.returns.any() or batch.illegal.any())


def test_a_finished_game_pays_once_and_does_not_change():
    game = make_game("kuhn")
    batch = Batch(game, 50, seed=0)
    batch.reset()
    paid = np.zeros((50, 2))
    for _ in range(6):
        batch.step_randomly()
        paid += batch.returns
    final = np.zeros((50, 2), np.float32)
    game.returns(batch.states, final)
    assert (paid == final).all()
    before = batch.states.tobytes()
    batch.step_randomly()
    assert batch.states.tobytes() == before


@pytest.mark.parametrize("autoreset", AUTORESET_MODES)
def test_a_saved_batch_goes_on_exactly(autoreset):
    game = small_generals()
    batch = Batch(game, 20, seed=4, tick_limit=17, autoreset=autoreset)
    batch.reset()
    batch.step_randomly(17)
    again = Batch.load(game, batch.save())
    for each in (batch, again):
        each.step_randomly(40)
    assert everything(batch) == everything(again)


def test_damaged_or_foreign_bytes_are_refused():
    game = small_generals()
    batch = Batch(game, 3, seed=4)
    batch.reset()
    data = batch.save()
    with pytest.raises(ValueError, match="damaged"):
        Batch.load(game, data[:-5])
    with pytest.raises(ValueError, match="damaged"):
        Batch.load(game, b"\x00" + data)
    for other in ({"height": 7}, {"ruleset": "competition"}, {"cities": (0, 0)}):
        with pytest.raises(ValueError, match="with options"):
            Batch.load(make_game("generals", **({"height": 6, "width": 6} | other)), data)
    with pytest.raises(ValueError, match="'generals'"):
        Batch.load(make_game("kuhn"), data)


def test_a_clone_plays_the_same_game():
    batch = Batch(small_generals(), 6, seed=1)
    batch.reset()
    batch.step_randomly(30)
    batch.clone_rows([0, 1], [4, 5])
    batch.step_randomly(30)
    assert (batch.states[[0, 1]] == batch.states[[4, 5]]).all()
    assert (batch.observation.memories[[0, 1]] == batch.observation.memories[[4, 5]]).all()
    with pytest.raises(ValueError, match="cannot be copied"):
        batch.clone_rows([0], [1, 2])


@pytest.mark.parametrize("ruleset", ["generalsio", "competition"])
def test_every_malformed_action_is_counted_and_played_as_a_pass(ruleset):
    game = small_generals(ruleset=ruleset)
    batch, passing = (Batch(game, 6, seed=1) for _ in "ab")
    bad = [-1, -(2**31), game.num_actions, 2**31 - 1, 0, 8 * game.cells - 1]
    for each in (batch, passing):
        each.reset()
    own = np.isin(np.array(bad) // 8, batch.states["general"])
    actions = np.full((6, 2), game.pass_action, np.int32)
    passing.step(actions.copy())
    actions[:, 0] = bad
    batch.step(actions)
    assert batch.illegal[~own, 0].all()
    assert not batch.illegal[:, 1].any()
    assert (batch.states[~own] == passing.states[~own]).all()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint32])
def test_a_wider_id_does_not_wrap_into_a_legal_one(dtype):
    batch = Batch(small_generals(), 4, seed=1)
    batch.reset()
    batch.step_randomly(20)
    legal = np.zeros((4, 2), np.int32)
    batch.random_actions(legal)
    before = batch.states["army"].copy()
    wide = legal.astype(dtype) + dtype(2**32 if np.dtype(dtype).itemsize == 8 else 2**31)
    batch.step(wide)
    assert batch.illegal.all()
    assert (batch.states["army"] >= before).all(), "nobody moved: armies only grew"


def test_cloned_and_saved_rows_keep_the_end_that_nobody_has_seen_yet():
    game = small_generals()
    batch = Batch(game, 4, seed=1, tick_limit=9, autoreset="next_step")
    batch.reset()
    batch.step_randomly(5)
    batch.reset([2, 3])
    batch.step_randomly(4)
    assert batch.truncated.tolist() == [True, True, False, False]
    batch.clone_rows([0], [2])
    again = Batch.load(game, batch.save())
    for each in (batch, again):
        assert each.truncated.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"autoreset": "always"}, "autoreset must be one of"),
        ({"num_games": 0}, "at least 1 game"),
        ({"tick_limit": -1}, "tick_limit must be 0"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Batch(small_generals(), **({"num_games": 2} | options))


def test_actions_of_another_shape_or_type_are_refused():
    batch = Batch(small_generals(), 2)
    batch.reset()
    with pytest.raises(ValueError, match="shape"):
        batch.step(np.zeros((2, 3), np.int32))
    with pytest.raises(TypeError, match="integers"):
        batch.step(np.zeros((2, 2)))


def test_an_error_in_one_slice_reaches_the_caller_and_the_pool_lives():
    pool = Pool(3)
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()

    def fail_late(first: int, last: int) -> None:
        with lock:
            seen.append((first, last))
        if last == 99:
            raise RuntimeError("the last slice")

    with pytest.raises(RuntimeError, match="the last slice"):
        pool.run(fail_late, 99)
    assert sorted(seen) == [(0, 33), (33, 66), (66, 99)]
    pool.run(lambda first, last: None, 99)
    pool.close()
