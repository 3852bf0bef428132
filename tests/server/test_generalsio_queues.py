"""The queues and the map of generals.io, without a server: who waits, what begins, what a patch says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.engine import Batch
from strategos.games.generals.game import Generals
from strategos.games.generals.record import FOG, MOUNTAIN, OBSTACLE
from strategos.server.generalsio import map_diff
from strategos.server.generalsio.players import Player, name_of
from strategos.server.generalsio.queues import CUSTOM, DUEL, FREE_FOR_ALL, TEAMS, Queue
from strategos.server.hall import HallError, Pace


def patched(old: list[int], diff: list[int]) -> list[int]:
    """What a client makes of a patch, written as the clients in JavaScript have it: not as ours is made."""
    out: list[int] = []
    place = 0
    while place < len(diff):
        if diff[place]:
            out += old[len(out) : len(out) + diff[place]]
        place += 1
        if place < len(diff) and diff[place]:
            out += diff[place + 1 : place + 1 + diff[place]]
            place += diff[place]
        place += 1
    return out


numbers = st.lists(st.integers(-4, 3), max_size=40)


@given(old=numbers, new=numbers)
def test_a_patch_makes_the_new_out_of_the_old(old, new):
    diff = map_diff.diff(np.array(old, np.int64), np.array(new, np.int64))
    assert patched(old, diff) == new
    assert all(type(each) is int for each in diff)


def test_patches_of_the_page():
    empty = np.zeros(0, np.int64)
    assert map_diff.diff(empty, np.array([5, 6])) == [0, 2, 5, 6]
    assert map_diff.diff(np.array([1, 2, 3, 4]), np.array([1, 9, 3, 4])) == [1, 1, 9, 2]
    assert map_diff.diff(np.array([1, 2]), np.array([1, 2])) == [2]
    assert map_diff.diff(np.array([1, 2]), empty) == map_diff.diff(empty, empty) == [0]
    assert map_diff.diff(np.array([1, 2]), np.array([1, 2, 3])) == [2, 1, 3]


@pytest.fixture(scope="module")
def seen():
    """A view of a small board in a padded batch, after some ticks."""
    game = Generals(8, 8, 2, min_height=6, min_width=5)
    batch = Batch(game, 16, threads=1)
    batch.reset(seeds=np.arange(16))
    actions = np.zeros((16, 2), np.int32)
    for _ in range(60):
        game.random_actions(batch.states, actions)
        batch.step(actions)
    views = batch.observation.views
    row = next(row for row in range(16) if views["height"][row, 0] < 8 and views["width"][row, 0] < 8)
    return game, batch.states[row], views[row, 0]


def test_the_map_is_the_view_without_its_padding(seen):
    _game, state, view = seen
    height, width = int(view["height"]), int(view["width"])
    tiles = map_diff.map_array(view).tolist()
    assert tiles[:2] == [width, height] and len(tiles) == 2 + 2 * height * width
    armies, terrain = tiles[2 : 2 + height * width], tiles[2 + height * width :]
    for row in range(height):
        for column in range(width):
            cell, tile = row * int(view["stride"]) + column, row * width + column
            assert armies[tile] == view["army"][cell]
            kind, owner = view["terrain"][cell], view["owner"][cell]
            expected = {MOUNTAIN: -2, FOG: -3, OBSTACLE: -4}.get(int(kind), -1) if owner < 0 else owner
            assert terrain[tile] == expected
    own = map_diff.generals_of(view, 2)[0]
    assert own // width * int(view["stride"]) + own % width == state["general"][0]
    assert map_diff.generals_of(view, 2)[1] in (-1, own) or terrain[map_diff.generals_of(view, 2)[1]] == 1


def test_h18_moves_are_between_neighbours_of_the_board(seen):
    """Every pair of tiles: what is a move has the id of the game's own action, the rest is nothing."""
    _game, _, view = seen
    height, width, stride = (int(view[name]) for name in ("height", "width", "stride"))
    ways = {(-1, 0): 0, (1, 0): 1, (0, -1): 2, (0, 1): 3}
    for start in range(height * width):
        for end in range(-2, height * width + 2):
            step = (end // width - start // width, end % width - start % width)
            action = map_diff.action_of(view, start, end, True)
            if step in ways and 0 <= end < height * width:
                cell = start // width * stride + start % width
                assert action == cell * 8 + ways[step] * 2 + 1
            else:
                assert action is None


@pytest.mark.parametrize("tile", [True, 1.0, "1", None, [1], {}, -1, 10**9, 2**70])
def test_i11_indices_that_are_no_tiles(seen, tile):
    view = seen[2]
    assert map_diff.action_of(view, tile, 1, False) is None
    assert map_diff.action_of(view, 0, tile, False) is None or (tile == 1 and type(tile) is int)


def player(name: str) -> Player:
    return Player(name)


def queue(kind: str, count: int) -> tuple[Queue[Player], list[Player]]:
    waiting: Queue[Player] = Queue(kind, "here")
    players = [player(f"p{number}") for number in range(count)]
    for each in players:
        waiting.join(each)
    return waiting, players


def test_two_begin_a_duel():
    waiting, _ = queue(DUEL, 1)
    assert not waiting.begins()
    waiting, players = queue(DUEL, 2)
    assert waiting.begins()
    room = waiting.room(0.05)
    assert room.options["players"] == 2 and room.pace == Pace("real_time", 0.5) and not room.private
    assert waiting.empty() == players and not waiting.players


@pytest.mark.parametrize(("count", "needed"), [(2, 2), (3, 3), (4, 3), (5, 4), (7, 5)])
def test_enough_of_them_force_a_free_for_all(count, needed):
    waiting, players = queue(FREE_FOR_ALL, count)
    for number, each in enumerate(players[:needed], 1):
        assert not waiting.begins()
        waiting.force(each, True)
        waiting.force(each, True)
        assert waiting.told(each)["isForcing"] and len(waiting.told(each)["numForce"]) == number
    assert waiting.begins()
    waiting.force(players[0], False)
    assert not waiting.begins()


def test_eight_begin_a_free_for_all_and_a_full_queue_says_so():
    waiting, _ = queue(FREE_FOR_ALL, 8)
    assert waiting.begins()
    with pytest.raises(HallError, match="full"):
        waiting.join(player("ninth"))


def test_teams_of_two():
    waiting, players = queue(TEAMS, 0)
    for name, team in (("a", "x"), ("b", None), ("c", "x"), ("d", "y")):
        players.append(player(name))
        waiting.join(players[-1], team)
    assert waiting.begins() and waiting.team_of_seats() == (0, 1, 0, 1)
    assert waiting.room(0.05).options["teams"] == (0, 1, 0, 1)
    waiting, _ = queue(TEAMS, 4)
    assert waiting.team_of_seats() == (0, 0, 1, 1)


def test_the_host_of_a_custom_game_chooses():
    waiting, (host, guest) = queue(CUSTOM, 2)
    assert waiting.choose(host, {"width": "0", "height": 0.5, "game_speed": 4, "swamp_density": 1}) == [
        "swamp_density"
    ]
    assert waiting.choose(host, {"map": None, "swamp_density": 0, "desert_density": 0.0}) == []
    with pytest.raises(HallError, match="host"):
        waiting.choose(guest, {"width": 1})
    for wrong in ({"width": -1}, {"width": "wide"}, {"height": True}, {"game_speed": 1e9}, {"agents": "x"}):
        with pytest.raises(HallError):
            waiting.choose(host, wrong)
    options = waiting.room(0.05)
    assert options.options["width"] == 8 and 8 < options.options["height"] < 45
    assert options.pace.seconds == 0.125 and options.private
    waiting.choose(host, {"game_speed": 100, "agents": ["hunter"], "mountain_density": 0}, ["hunter"])
    waiting.teams[id(host)] = waiting.teams[id(guest)] = 3
    options = waiting.room(0.05)
    assert options.pace.seconds == 0.05 and options.agents == {2: "hunter"}
    assert options.options["teams"] == (0, 0, 1) and options.options["mountains"] == (0, 0)
    waiting.choose(host, {"agents": []})
    with pytest.raises(HallError, match="one team"):
        waiting.room(0.05)
    waiting.leave(host)
    assert waiting.players == [guest] and waiting.told(guest)["lobbyIndex"] == 0
    waiting.leave(guest)
    assert waiting.options.told() == {"game_speed": 1.0}


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("Example", "[Bot] Example"), ("[Bot] Example", "[Bot] Example"), ("[Bot]Example", "[Bot] Example"),
     ("ünï", "[Bot] ünï")],
)  # fmt: skip
def test_names_begin_with_bot(given_name, name):
    assert name_of(given_name) == name


@pytest.mark.parametrize("wrong", ["", " ", "[Bot]", "a\nb", "a\x00", "x" * 100, None, 7, ["a"], "a\u202eb"])
def test_l7_names_that_are_none(wrong):
    with pytest.raises(HallError):
        name_of(wrong)
