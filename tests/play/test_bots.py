"""The scripted bots: always legal, the same alone and in a batch, and as strong as they claim to be."""

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games.generals import record
from strategos.games.generals.game import Generals
from strategos.games.kuhn.game import Kuhn
from strategos.play.agents import game_of
from strategos.play.bots import BOTS, SCRIPTED, ExpanderBot, HunterBot, RandomBot
from strategos.play.match import play_match

# Every (number of tiles, players) is compiled anew: these share theirs with other tests.
GAMES = {
    "duel of two": Generals(8, 8, 2),
    "mixed sizes": Generals(8, 8, 2, min_height=5, min_width=5),
    "teams": Generals(9, 8, 4, teams=(0, 1, 0, 1)),
    "builds": Generals(8, 8, 2, ruleset="competition"),
}

GENERALS_BOTS = ("random", "expander", "hunter")


def unpacked(masks, num_actions):
    return np.unpackbits(masks, axis=-1, count=num_actions, bitorder="little")


def view_of(picture, owners, height, width, me=0, players=2):
    """One view and its mask from rows of armies and owners (., A, B; `#` a mountain)."""
    views = np.zeros(1, record.view_dtype(height * width, players))
    views["height"], views["width"], views["stride"], views["me"], views["tick"] = height, width, width, me, 9
    views["alive"], views["team"] = 1, np.arange(players)
    marks = "".join(owners)
    views["owner"][0] = [{"A": 0, "B": 1}.get(mark, record.NEUTRAL) for mark in marks]
    views["terrain"][0] = [record.MOUNTAIN if mark == "#" else record.PLAIN for mark in marks]
    views["army"][0] = np.array(picture).ravel()
    masks = np.zeros((1, height * width + 1), np.uint8)
    masks[0, -1] = 1
    board = views["terrain"][0].reshape(height, width)
    for row in range(height):
        for column in range(width):
            cell = row * width + column
            if views["owner"][0, cell] != me or views["army"][0, cell] < 2:
                continue
            for direction, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
                r, c = row + down, column + right
                if 0 <= r < height and 0 <= c < width and board[r, c] != record.MOUNTAIN:
                    masks[0, cell] |= 3 << (2 * direction)
    return views, masks


def choices(bot, views, masks, draws=400):
    """How often each action is chosen."""
    rng = np.random.default_rng(1)
    many = bot.act(np.repeat(views, draws), np.repeat(masks, draws, axis=0), None, rng)
    return dict(zip(*np.unique(many, return_counts=True), strict=True))


def test_a_bot_of_one_game_is_measured_in_this_one_only():
    told = {name: game_of(name) for name in BOTS}
    assert told["hunter"] == told["expander"] == "generals" and told["heuristic"] == "blob"
    for game, names in SCRIPTED.items():
        assert [name for name in names if told[name] not in (None, game)] == []
        assert [name for name in BOTS if told[name] == game and name not in names] == []


@pytest.mark.parametrize("rules", record.RULESETS)
def test_a_bot_can_tell_the_ruleset(rules):
    game = Generals(8, 8, 2, ruleset=rules)
    cells, builds = 64, record.has_builds(64, game.spec.mask_bytes)
    assert record.ruleset_of(int(game.rules.order), builds) == rules
    assert record.pass_action(cells, builds) == game.pass_action == game.spec.num_actions - 1


def test_a_ruleset_that_there_is_not():
    with pytest.raises(ValueError, match="no ruleset with order 0 and builds"):
        record.ruleset_of(record.BY_PRIORITY, True)


@pytest.mark.parametrize("name", GAMES)
def test_never_an_illegal_action_and_no_idle_seat(name):
    """Bots in all seats, against random moves, until well after some players are dead."""
    game = GAMES[name]
    batch = Batch(game, 6, seed=5, autoreset="same_step", tick_limit=260)
    batch.reset()
    rng = np.random.default_rng(0)
    actions = np.zeros((6, game.players), np.int32)
    seen = batch.observation
    bots = [BOTS[name]() for name in GENERALS_BOTS]
    for tick in range(320):
        batch.random_actions(actions)
        for seat in range(game.players):
            bot = bots[(seat + tick // 80) % len(bots)]
            legal = unpacked(seen.masks[:, seat], game.num_actions)
            chosen = bot.act(seen.views[:, seat], seen.masks[:, seat], seen.memories[:, seat], rng)
            assert chosen.dtype == np.int32 and chosen.shape == (6,)
            assert legal[np.arange(6), chosen].all(), (bot.name, tick)
            if bot.name != "hunter":
                assert ((chosen == game.pass_action) == (legal.sum(axis=1) == 1)).all()
            if tick % 3:
                actions[:, seat] = chosen
        batch.step(actions)
        assert not batch.illegal.any()


@pytest.mark.parametrize("name", GENERALS_BOTS)
def test_a_row_is_answered_alike_alone_and_in_any_batch(name):
    game = GAMES["mixed sizes"]
    batch = Batch(game, 40, seed=8)
    batch.reset()
    seen, bot = batch.observation, BOTS[name]()
    for _ in range(4):
        for _ in range(40):
            batch.step_randomly()
        views, masks, memories = seen.views[:, 1], seen.masks[:, 1], seen.memories[:, 1]
        before = views.tobytes(), masks.tobytes(), memories.tobytes()
        together = bot.act(views, masks, memories, np.random.default_rng(4))
        assert (views.tobytes(), masks.tobytes(), memories.tobytes()) == before
        rng = np.random.default_rng(4)
        rows = [slice(row, row + 1) for row in range(40)]
        alone = [int(bot.act(views[row], masks[row], memories[row], rng)[0]) for row in rows]
        assert together.tolist() == alone
    assert len(bot.act(views[:0], masks[:0], memories[:0], rng)) == 0


def test_random_is_uniform_and_passes_only_when_it_must():
    views, masks = view_of([[3, 0], [0, 1]], ["A.", ".A"], 2, 2)
    counts = choices(RandomBot(), views, masks, 4000)
    assert set(counts) == {2, 3, 6, 7}  # down and right of tile 0, whole and half
    assert all(abs(count - 1000) < 120 for count in counts.values())
    masks[:, :-1] = 0
    assert set(choices(RandomBot(), views, masks)) == {32}


def test_random_plays_any_game():
    batch = Batch(Kuhn(), 400, seed=1)
    batch.reset()
    seen = batch.observation
    actions = RandomBot().act(seen.views[:, 0], seen.masks[:, 0], None, np.random.default_rng(0))
    assert 150 < actions.sum() < 250 and set(actions) == {0, 1}
    assert not RandomBot().act(seen.views[:, 1], seen.masks[:, 1], None, np.random.default_rng(0)).any()


def test_expander_prefers_enemy_then_neutral_then_anything():
    armies, bot = [[9, 0, 0], [3, 2, 0], [0, 0, 0]], ExpanderBot()
    views, masks = view_of(armies, ["A..", "BA.", "..."], 3, 3)
    # Tile 0 takes the enemy below it with all its army; the two at tile 4 are too few for three.
    assert set(choices(bot, views, masks)) == {0 * 8 + 2}
    views, masks = view_of([[2, 1, 0], [3, 2, 0], [0, 0, 9]], ["A#.", "BA.", "..#"], 3, 3)
    # Nobody can take the enemy: two neutral tiles are left, and both are chosen.
    assert set(choices(bot, views, masks)) == {4 * 8 + 2, 4 * 8 + 6}
    views, masks = view_of([[2, 5, 0], [2, 0, 0]], ["A..", "A#."], 2, 3)
    # Nothing can be taken: any move of a whole stack.
    assert set(choices(bot, views, masks)) == {0 * 8 + 2, 0 * 8 + 6, 3 * 8 + 0}


def test_expander_does_not_take_from_its_team():
    views, masks = view_of([[9, 1, 0]], ["AB."], 1, 3)
    views["team"] = 0
    views["owner"][0, 2] = record.NEUTRAL
    assert set(choices(ExpanderBot(), views, masks)) == {6}  # a move, for want of a capture


def remembering(game, views):
    memories = np.zeros((1, game.players), game.memory_dtype)
    both = np.zeros((1, game.players), game.view_dtype)
    both[0] = views
    game.remember(both, memories)
    return memories[:, 0]


def hunter_position(armies, owners, generals):
    """The hunter's answer as (tile, direction, half) on a 5x5 board; generals maps tile to owner."""
    game = Generals(5, 5, 2)
    views, masks = view_of(armies, owners, 5, 5)
    for tile in generals:
        views["terrain"][0, tile] = record.GENERAL
    views["army_total"], views["land_total"] = 30, 5
    memories = remembering(game, views[0])
    action = int(HunterBot().act(views, masks, memories, np.random.default_rng(0))[0])
    return action >> 3, (action >> 1) & 3, action & 1


def test_hunter_strikes_the_general_it_can_take():
    armies = np.zeros((5, 5), int)
    armies[0, 0], armies[2, 2], armies[2, 3], armies[4, 4] = 3, 12, 1, 4
    tile, direction, half = hunter_position(
        armies, ["A....", ".....", "..AB.", ".....", "....B"], {0: 0, 13: 1}
    )
    assert (tile, direction, half) == (12, record.RIGHT, 0)


def test_hunter_gathers_when_its_strike_is_too_weak():
    armies = np.zeros((5, 5), int)
    armies[2] = [7, 9, 1, 1, 12]
    owners = [".....", ".....", "AAAAB", ".....", "....."]
    # Nine with what lies on the way are less than twelve; the seven behind them come first.
    assert hunter_position(armies, owners, {14: 1}) == (10, record.RIGHT, 0)
    armies[2, 1] = 19
    assert hunter_position(armies, owners, {14: 1}) == (11, record.RIGHT, 0)


def test_hunter_does_not_leave_its_general_to_a_stack_in_sight():
    armies = np.zeros((5, 5), int)
    armies[0, 0], armies[0, 1], armies[0, 2] = 9, 1, 5
    tile, _, half = hunter_position(armies, ["AAB..", ".....", ".....", ".....", "....."], {0: 0})
    assert tile != 0 or half == 1


def test_hunter_kills_the_stack_before_its_general():
    armies = np.zeros((5, 5), int)
    armies[0, 0], armies[0, 1], armies[0, 2], armies[4, 4] = 2, 9, 12, 8
    tile, direction, _ = hunter_position(armies, ["ABA..", ".....", ".....", ".....", "....A"], {0: 0})
    assert (tile, direction) == (2, record.LEFT)


def test_hunter_sees_nothing_of_the_board_in_the_row_before():
    """Cities of a large board must not shine through the walls around a small one."""
    game = Generals(5, 5, 2)
    large, large_mask = view_of(np.full((5, 5), 1), ["A....", ".....", ".....", ".....", "....."], 5, 5)
    large["terrain"][0, 1:] = record.CITY
    armies = np.zeros((5, 5), int)
    armies[0, 1] = 20
    small, small_mask = view_of(armies, [".A.##", "...##", "...##", "#####", "#####"], 5, 5)
    small["height"], small["width"] = 3, 3
    large["army_total"], small["army_total"] = (30, 1), (30, 1)
    views, masks = np.concatenate([large, small]), np.concatenate([large_mask, small_mask])
    memories = np.concatenate([remembering(game, large[0]), remembering(game, small[0])])
    rng = np.random.default_rng(0)
    together = HunterBot().act(views, masks, memories, rng)
    rng = np.random.default_rng(0)
    alone = [
        HunterBot().act(views[row], masks[row], memories[row], rng)[0] for row in (slice(0, 1), slice(1, 2))
    ]
    assert together.tolist() == alone
    assert unpacked(masks, game.num_actions)[[0, 1], together].all()


def test_hunter_needs_memories():
    views, masks = view_of([[2, 0]], ["A."], 1, 2)
    with pytest.raises(ValueError, match="needs the memories"):
        HunterBot().act(views, masks, None, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["expander", "hunter"])
def test_a_bot_of_generals_refuses_cards(name):
    batch = Batch(Kuhn(), 1, seed=1)
    batch.reset()
    seen = batch.observation
    with pytest.raises(ValueError, match=f"{name} plays generals and no other game; take a bot of this game"):
        BOTS[name]().act(seen.views[:, 0], seen.masks[:, 0], None, np.random.default_rng(0))


@pytest.mark.parametrize(("rival", "at_least"), [("random", 0.97), ("expander", 0.93)])
def test_hunter_beats_the_other_bots(rival, at_least):
    match = play_match(
        GAMES["duel of two"], [HunterBot(), BOTS[rival]()], num_games=200, seed=11, tick_limit=400
    )
    assert match.wins[0] / 200 >= at_least
    assert match.illegal.sum() == 0
