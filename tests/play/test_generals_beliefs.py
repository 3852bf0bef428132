"""Sampled worlds of Generals: the viewer cannot tell them from the truth, and they are real positions."""

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games.generals.game import Generals
from strategos.games.generals.notation import parse_state, recount
from strategos.games.generals.record import ALIVE, CITY, FOG, GENERAL, MOUNTAIN, OBSTACLE, PLAIN
from strategos.play.beliefs import make_beliefs
from strategos.play.bots import ExpanderBot, HunterBot
from strategos.play.generals_beliefs import GeneralsBeliefs

# Every (number of tiles, players) is compiled anew: these share theirs with other tests.
GAMES = {
    "duel of two": Generals(8, 8, 2),
    "mixed sizes": Generals(9, 8, 4, min_height=6, min_width=6),
    "teams": Generals(9, 8, 4, teams=(0, 1, 0, 1)),
    "builds": Generals(8, 8, 2, ruleset="competition"),
    "large": Generals(20, 20, 2),
    "many": Generals(8, 9, 16, ruleset="classic"),
}
WORLDS = 4


def played(name, ticks, games=6, seed=3):
    """A batch in the middle of its games: hunters, expanders and chance in turn; some players leave."""
    game = GAMES[name]
    batch = Batch(game, games, seed=seed)
    batch.reset()
    rng = np.random.default_rng(seed)
    actions = np.zeros((games, game.players), np.int32)
    bots = [HunterBot(), ExpanderBot(), None]
    seen = batch.observation
    for tick in range(ticks):
        batch.random_actions(actions)
        for seat in range(game.players):
            bot = bots[(seat + tick // 40) % 3]
            if bot is not None:
                masks, memories = seen.masks[:, seat], seen.memories[:, seat]
                actions[:, seat] = bot.act(seen.views[:, seat], masks, memories, rng)
        batch.step(actions)
    return batch


def check_worlds(game, worlds, views, masks, memories):
    """That `worlds` [B, W] are sound positions which look to the viewers like the ones that they are in."""
    flat = worlds.reshape(-1)
    rows = np.repeat(np.arange(len(worlds)), worlds.shape[1])
    seat = views["me"][rows]
    seen = np.zeros((len(flat), game.players), game.view_dtype)
    legal = np.zeros((len(flat), game.players, game.spec.mask_bytes), np.uint8)
    game.view(flat, seen)
    game.legal(flat, legal)
    for number, row in enumerate(rows):
        found = seen[number, seat[number]]
        for field in game.view_dtype.names:
            assert np.array_equal(found[field], views[row][field]), (field, number)
        assert found.tobytes() == views[row].tobytes()
        assert legal[number, seat[number]].tobytes() == masks[row].tobytes()
        before = flat[number].tobytes()
        recount(flat[number])
        assert flat[number].tobytes() == before, "what follows from the tiles does not"
        for player in range(game.players):
            place = flat[number]["general"][player]
            if flat[number]["status"][player] == ALIVE:
                assert place >= 0
            if place >= 0:
                assert flat[number]["terrain"][place] == GENERAL and flat[number]["owner"][place] == player
        assert (flat[number]["army"] >= 0).all()
        assert (flat[number]["terrain"] == GENERAL).sum() == (flat[number]["general"] >= 0).sum()
        assert not np.isin(flat[number]["terrain"], (FOG, OBSTACLE)).any()
        assert flat[number]["over"] == (len(set(views[row]["team"][views[row]["alive"] != 0])) <= 1)
        remembered = memories[row]["terrain"]
        fog = np.isin(views[row]["terrain"], (FOG, OBSTACLE))
        for terrain in (MOUNTAIN, CITY):
            assert (flat[number]["terrain"][fog & (remembered == terrain)] == terrain).all()
        plain = flat[number]["terrain"][fog & (remembered == PLAIN)]
        assert np.isin(plain, (PLAIN, CITY)).all() and not (plain == GENERAL).any()
        for player, place in enumerate(memories[row]["general"]):
            if place >= 0 and views[row]["alive"][player]:
                assert flat[number]["general"][player] == place


@pytest.mark.parametrize("ticks", [0, 1, 60, 170])
@pytest.mark.parametrize("name", GAMES)
def test_worlds_look_like_the_truth_to_their_viewer(name, ticks):
    game = GAMES[name]
    seen = played(name, ticks, games=2 if game.players > 4 else 6).observation
    beliefs = GeneralsBeliefs(game)
    for seat in range(min(game.players, 4)):
        views, masks, memories = seen.views[:, seat], seen.masks[:, seat], seen.memories[:, seat]
        before = views.tobytes(), memories.tobytes()
        worlds = beliefs.sample(views, memories, np.arange(len(views)) + 77, WORLDS)
        assert (views.tobytes(), memories.tobytes()) == before
        assert worlds.shape == (len(views), WORLDS) and worlds.dtype == game.state_dtype
        running = np.array([len(set(view["team"][view["alive"] != 0])) > 1 for view in views])
        check_worlds(game, worlds[running], views[running], masks[running], memories[running])


def test_worlds_play_on_like_any_position():
    game = GAMES["teams"]
    seen = played("teams", 60).observation
    worlds = GeneralsBeliefs(game).sample(seen.views[:, 1], seen.memories[:, 1], np.arange(6), 3).reshape(-1)
    actions = np.zeros((len(worlds), game.players), np.int32)
    illegal = np.zeros((len(worlds), game.players), np.uint8)
    for _ in range(150):
        game.play_randomly(worlds, actions, illegal)
        assert not illegal.any()
        again = worlds.copy()
        for state in again:
            recount(state)
        assert again.tobytes() == worlds.tobytes()


@pytest.mark.parametrize("name", ["duel of two", "mixed sizes", "builds"])
def test_the_truth_is_not_looked_at(name):
    """Another truth with the same looks gives the same worlds, to the byte. (TRAPS 21.)"""
    game = GAMES[name]
    seen = played(name, 70).observation
    views, memories, keys = seen.views[:, 1], seen.memories[:, 1], np.arange(6) * 11
    beliefs = make_beliefs(game)
    first = beliefs.sample(views, memories, keys, WORLDS)
    for number in range(WORLDS):  # every world takes its turn as the truth
        truth = first[:, number].copy()
        told = np.zeros((6, game.players), game.view_dtype)
        kept = np.repeat(memories[:, None], game.players, axis=1)
        game.view(truth, told)
        game.remember(told, kept)
        again = beliefs.sample(told[:, 1], kept[:, 1], keys, WORLDS)
        assert again.tobytes() == first.tobytes()
    differ = [(first["army"][:, 0] != first["army"][:, number]).any() for number in range(1, WORLDS)]
    assert all(differ)


def test_a_world_is_a_function_of_its_key_and_of_nothing_beside_it():
    game = GAMES["mixed sizes"]
    seen = played("mixed sizes", 50).observation
    views, memories, keys = seen.views[:, 2], seen.memories[:, 2], np.arange(6) + 5
    beliefs = GeneralsBeliefs(game)
    together = beliefs.sample(views, memories, keys, 5)
    for row in range(6):
        rows = slice(row, row + 1)
        alone = beliefs.sample(views[rows], memories[rows], keys[rows], 3)
        assert alone.tobytes() == together[rows, :3].tobytes()
    streams = together["key"].reshape(-1)
    assert len(set(streams.tolist())) == len(streams) and not together["draws"].any()
    assert beliefs.sample(views[:0], memories[:0], keys[:0], 5).shape == (0, 5)


def test_at_the_beginning_every_distant_tile_may_hold_the_general():
    """Equally often where it is far enough, seldom where it is too near, never where it cannot be."""
    game = Generals(8, 8, 2, spawn_distance=(6, 12))
    batch = Batch(game, 1, seed=4)
    batch.reset()
    seen = batch.observation
    view = seen.views[0, 0]
    draws = 20_000
    worlds = GeneralsBeliefs(game).sample(seen.views[:, 0], seen.memories[:, 0], np.array([9]), draws)[0]
    counts = np.bincount(worlds["general"][:, 1], minlength=64)
    home = int(worlds["general"][0, 0])
    cells = np.arange(64)
    far = np.abs(cells // 8 - home // 8) + np.abs(cells % 8 - home % 8) >= 6
    fog = view["terrain"] == FOG
    assert not counts[~fog].any()
    places = counts[fog & far]
    # Tiles that nobody can walk to are sixteen times less likely; this board has none.
    expected = draws / (len(places) + (fog & ~far).sum() / 16)
    assert ((places - expected) ** 2 / expected).sum() < 2 * len(places)
    assert 0 < counts[fog & ~far].max() < expected / 4
    assert (worlds["land_total"][:, 1] == 1).all() and (worlds["army_total"][:, 1] == 1).all()


def test_a_player_without_a_memory_of_its_own_keeps_its_belief():
    """With steady beliefs other keys make other armies, but no other place of the general."""
    game = GAMES["duel of two"]
    seen = played("duel of two", 12).observation
    views, memories = seen.views[:, 0], seen.memories[:, 0]
    steady, fresh = GeneralsBeliefs(game, steady=True), GeneralsBeliefs(game)
    places = [steady.sample(views, memories, np.arange(6) + 6 * run, 8)["general"] for run in range(2)]
    assert (places[0] == places[1]).all()
    assert len(set(places[0][0, :, 1].tolist())) > 2
    moved = [fresh.sample(views, memories, np.arange(6) + 6 * run, 8)["general"] for run in range(2)]
    assert (moved[0] != moved[1]).any()


def test_what_was_seen_is_remembered_in_every_world():
    game = GAMES["duel of two"]
    before = parse_state("""
        padded: 8x8
        tick: 40
        A3!  A2  A2  A2  B3  B2
        .    .   .   .   B7! .
        #    #   .   .   .   .
        .    .   .   ^9  .   .
        .    .   .   .   .   .
    """)
    after = parse_state("""
        padded: 8x8
        tick: 41
        A3!  A3  B1  B2  B2  B2
        .    .   .   .   B7! .
        #    #   .   .   .   .
        .    .   .   ^9  .   .
        .    .   .   .   .   .
    """)
    views = np.zeros((1, 2), game.view_dtype)
    memories = np.zeros((1, 2), game.memory_dtype)
    for state in (before, after):
        game.view(np.array([state]), views)
        game.remember(views, memories)
    worlds = GeneralsBeliefs(game).sample(views[:, 0], memories[:, 0], np.array([3]), 200)[0]
    assert (worlds["general"][:, 1] == 12).all()
    # Five tiles: one in sight, the general, the two that were seen or lost; what was never seen varies.
    assert (worlds["land_total"][:, 1] == 5).all() and (worlds["army_total"][:, 1] == 14).all()
    assert (worlds["owner"][:, 3] == 1).mean() > 0.9
    assert (worlds["owner"][:, 4] == 1).mean() > 0.9
    assert worlds["army"][:, 12].mean() > 4


def test_armies_beyond_what_a_view_can_show_are_kept():
    game = GAMES["duel of two"]
    state = parse_state("""
        padded: 8x8
        tick: 40
        A3!  A40000  .   .
        .    .       .   .
        .    .       .   .
        .    .       .   B2!
    """)
    views = np.zeros((1, 2), game.view_dtype)
    game.view(np.array([state]), views)
    worlds = GeneralsBeliefs(game).sample(views[:, 0], None, np.array([3]), 3)[0]
    assert (worlds["army"][:, 1] == 40000).all() and (worlds["army_total"][:, 0] == 40003).all()


def test_views_of_another_board_are_refused():
    seen = played("duel of two", 1).observation
    with pytest.raises(ValueError, match="another board"):
        GeneralsBeliefs(GAMES["teams"]).sample(seen.views[:, 0], seen.memories[:, 0], np.arange(6), 2)
