"""What players of Generals see and remember, and the extras of `competition`, as pictures."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import ENGINES, PASS, board, build, go, looks, picture, tile, view_picture

from strategos.games.generals.record import (
    CITY,
    FOG,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    PLAIN,
    TREND_SPANS,
    memory_dtype,
)


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


# Sight


def test_fog_hides_all_but_obstacles_and_the_scoreboard(engine):
    position = board("A5 . . _7 *9 \n *8 # . . # \n . b3 . . B6", tick=3)
    view = engine.view(position, 0)
    assert view_picture(view) == looks("A5 . ? ? % \n *8 # ? ? % \n ? ? ? ? ?")
    assert (view["me"], view["tick"], view["height"], view["width"], view["stride"]) == (0, 3, 3, 5, 7)
    assert (view["army_total"].tolist(), view["land_total"].tolist()) == ([5, 9], [1, 2])
    assert view["alive"].tolist() == [1, 1]
    assert view_picture(engine.view(position, 1)) == looks("? ? ? ? % \n *8 # . . # \n . b3 . . B6")


def test_beyond_the_board_are_mountains_in_every_view(engine):
    view = engine.view(board("A5 . B5"), 0)
    outside = [cell for cell in range(42) if cell // 7 >= 1 or cell % 7 >= 3]
    assert {int(view["terrain"][cell]) for cell in outside} == {MOUNTAIN}
    assert {int(view["owner"][cell]) for cell in outside} == {NEUTRAL}


def test_sight_does_not_wrap_around_the_edge(engine):
    view = engine.view(board("b5 . . . . . A5 \n _3 . . . . . . \n B5 . . . . . ."), 0)
    assert view_picture(view) == looks("? ? ? ? ? . A5 \n ? ? ? ? ? . . \n ? ? ? ? ? ? ?")


def test_teammates_share_their_sight_dead_or_alive(engine):
    position = board("A5 . . B5 \n . . . . \n . . . . \n . C5 . .", teams=(0, 0, 1))
    seen = looks("A5 . . B5 \n . . . . \n ? ? ? ? \n ? ? ? ?")
    assert view_picture(engine.view(position, 0)) == seen
    assert view_picture(engine.view(position, 1)) == seen
    gone = engine.leave(position, 1)
    assert view_picture(engine.view(gone, 0)) == seen
    assert engine.view(gone, 2)["alive"].tolist() == [1, 0, 1]
    freed = engine.leave(gone, 1)
    assert view_picture(engine.view(freed, 1)) == looks("A5 . . *a5 \n . . . . \n ? ? ? ? \n ? ? ? ?")


def test_a_captured_general_is_plain_fog_until_it_has_been_seen(engine):
    position = board("C1 c9 . . B5 a30 \n . . . . . A1 \n . . . . . .")
    rows = []
    for player, move in [
        (0, go(0, 5, "left")),
        (2, go(0, 1, "right")),
        (2, go(0, 2, "right")),
        (0, go(0, 4, "left")),
    ]:
        actions = [PASS] * 3
        actions[player] = move
        position, _ = engine.step(position, *actions)
        rows.append(view_picture(engine.view(position, 2)).splitlines()[0])
    assert rows == ["C1 c9 . ? ? ?", "C2 c1 c8 . ? ?", "C2 c1 c1 c7 *a25 ?", "C3 c1 c1 a17 % ?"]


def test_a_freed_general_is_plain_fog_to_who_did_not_see_it(engine):
    position = board("A5 . . . B5 . c3 \n . . . . b9 . C5")
    freed = engine.leave(engine.leave(position, 1), 1)
    assert freed.disguise == {tile(0, 4): {0, 1, 2}}
    position = board("A5 . . . B5 c3 . \n . . . . b9 . C5")
    freed = engine.leave(engine.leave(position, 1), 1)
    assert freed.disguise == {tile(0, 4): {0, 1}}
    assert view_picture(engine.view(freed, 0)).splitlines()[0] == "A5 . ? ? ? ? ?"
    assert view_picture(engine.view(freed, 2)).splitlines()[0] == "? ? ? ? *5 c3 ."


# Memory


def fresh(position) -> np.record:
    return np.zeros(1, memory_dtype(len(position.army), len(position.team)))[0]


def test_a_first_view_begins_a_memory(engine):
    position = board("A5 . . B6 \n . # # .")
    memory = fresh(position)
    memory["seen"] = memory["activity"] = memory["tick"] = 9
    memory = engine.remember(position, engine.view(position, 0), memory)
    assert (memory["tick"], memory["me"], memory["stride"]) == (0, 0, 7)
    assert memory["seen"][:4].tolist() == [0, 0, -1, -1]
    assert memory["terrain"][7:11].tolist() == [PLAIN, MOUNTAIN, OBSTACLE, FOG]
    assert memory["general"].tolist() == [tile(0, 0), -1]
    assert not memory["activity"].any()
    assert memory["army_trend"].tolist() == [[5.0] * 4, [6.0] * 4]


def test_a_memory_keeps_what_left_the_sight(engine):
    position = board("A5 . a2 *9 B6 \n . . . # #")
    memory = engine.remember(position, engine.view(position, 0), fresh(position))
    assert memory["general"].tolist() == [tile(0, 0), -1]
    position, _ = engine.step(position, PASS, go(0, 4, "left"))
    memory = engine.remember(position, engine.view(position, 0), memory)
    assert memory["terrain"][tile(1, 4)] == OBSTACLE
    position.owner[tile(0, 2)], position.army[tile(0, 2)], position.tick = 1, 4, 2
    memory = engine.remember(position, engine.view(position, 0), memory)
    assert memory["terrain"][tile(0, 3)] == CITY
    assert (memory["army"][tile(0, 3)], memory["seen"][tile(0, 3)]) == (4, 1)  # 5 of the 6 came at it
    assert memory["terrain"][tile(1, 3)] == MOUNTAIN
    assert memory["seen"][tile(0, 1)] == 2
    assert (memory["owner"][tile(0, 2)], memory["army"][tile(0, 2)]) == (0, 2)


def test_a_memory_forgets_a_general_that_fell(engine):
    position = board("A5 a9 B5 c9 \n . . C3 .")
    memory = engine.remember(position, engine.view(position, 0), fresh(position))
    assert memory["general"].tolist() == [tile(0, 0), tile(0, 2), tile(1, 2)]
    position, _ = engine.step(position, PASS, PASS, go(0, 3, "left"))
    memory = engine.remember(position, engine.view(position, 0), memory)
    assert memory["general"].tolist() == [tile(0, 0), -1, tile(1, 2)]
    gone = engine.leave(position, 2)
    gone.tick += 1
    memory = engine.remember(gone, engine.view(gone, 0), memory)
    assert memory["general"].tolist() == [tile(0, 0), -1, -1]


def test_a_memory_counts_what_growth_does_not_explain(engine):
    position = board("A5 a9 . *b5 _3 B9", tick=47)
    memory = fresh(position)
    memory = engine.remember(position, engine.view(position, 1), memory)
    assert not memory["activity"].any()
    for actions in [(PASS, PASS), (PASS, PASS), (go(0, 1, "right"), go(0, 5, "left")), (PASS, PASS)]:
        position, _ = engine.step(position, *actions)
        memory = engine.remember(position, engine.view(position, 1), memory)
    # Tick 50 grew everything and moved two stacks; tick 51 was quiet.
    assert memory["activity"][:6].tolist() == [0, 0, 2, 0, 2, 2]
    once_more = engine.remember(position, engine.view(position, 1), memory)
    assert once_more.tobytes() == memory.tobytes()
    for _ in range(30):
        position, _ = engine.step(position, PASS, PASS)
        memory = engine.remember(position, engine.view(position, 1), memory)
    assert not memory["activity"].any()


def test_a_memory_follows_the_scoreboard_at_four_speeds(engine):
    position = board("A5 a9 . . B9")
    memory = engine.remember(position, engine.view(position, 1), fresh(position))
    position, _ = engine.step(position, go(0, 1, "right"), PASS)
    memory = engine.remember(position, engine.view(position, 1), memory)
    assert memory["land_trend"][0].tolist() == [2 + 1 / span for span in TREND_SPANS]
    assert memory["army_trend"][0].tolist() == [14.0] * 4


# The extras of `competition`


@pytest.mark.parametrize(("column", "cost"), [(1, 47), (3, 43), (5, 39), (6, 37)])
def test_what_a_build_costs(engine, column, cost):
    position = board("A1 . . . . . . \n B1 . . . . . .", "competition")
    position.owner[column] = 0
    position.army[column] = cost - 1
    assert build(0, column) not in engine.legal(position, 0)
    after, illegal = engine.step(position, build(0, column), PASS)
    assert (after.army[column], after.terrain[column], illegal) == (cost - 1, PLAIN, [1, 0])
    position.army[column] = cost
    assert build(0, column) in engine.legal(position, 0)
    after, illegal = engine.step(position, build(0, column), PASS)
    assert (after.army[column], after.terrain[column], illegal) == (0, CITY, [0, 0])
    assert after.disguise == {column: {1} if column > 1 else set()}


def test_every_own_structure_makes_a_build_dearer(engine):
    position = board("A1 a99 *a1 *b1 \n . . . B1", "competition")
    after, _ = engine.step(position, build(0, 1), PASS)
    assert picture(after) == looks("A1 *a40 *a1 *b1 \n . . . B1")  # 35 + 12 + 12
    assert after.disguise == {tile(0, 1): {1}, tile(0, 2): set(), tile(0, 3): set()}


def test_builds_resolve_before_moves(engine):
    position = board("A1 a60 b20 . \n . . . B1", "competition", tick=1)
    after, _ = engine.step(position, build(0, 1), go(0, 2, "left"))
    assert picture(after) == looks("A2 *b7 b1 . \n . . . B2")


@pytest.mark.parametrize("cell", [(0, 0), (0, 2), (0, 3), (1, 0), (1, 3)])
def test_builds_need_own_plain_land(engine, cell):
    position = board("A99 a99 *a99 *99 \n b99 . # B99", "competition")
    assert engine.step(position, build(*cell), PASS)[1] == [1, 0]
    builds = {action for action in engine.legal(position, 0) if 8 * 42 <= action < position.pass_action}
    assert builds == {build(0, 1)}


def test_a_city_built_in_fog_stays_plain_fog_until_seen(engine):
    position = board("A9 a60 . . b9 B9 \n . . . . . .", "competition", tick=2)
    position, _ = engine.step(position, build(0, 1), PASS)
    assert view_picture(engine.view(position, 1)).splitlines()[0] == "? ? ? . b9 B9"
    position, _ = engine.step(position, PASS, go(0, 4, "left"))
    position, _ = engine.step(position, PASS, go(0, 3, "left"))
    assert view_picture(engine.view(position, 1)).splitlines()[0] == "? *a14 b7 b1 b1 B10"
    position, _ = engine.step(position, go(0, 1, "right"), PASS)
    assert view_picture(engine.view(position, 1)).splitlines()[0] == "? % a6 b1 b1 B11"


def test_deathtouch(engine):
    early = board("a2 B50 . . \n A1 . . .", "competition", tick=799)
    after, _ = engine.step(early, go(0, 0, "right"), PASS)
    assert (picture(after), after.over) == (looks("a2 B51 . . \n A3 . . ."), 0)  # 49 held, and grew twice
    late = board("a2 B50 . . \n A1 . . b4", "competition", tick=800)
    after, _ = engine.step(late, go(0, 0, "right"), PASS)
    assert picture(after) == looks("a1 *a0 . . \n A1 . . a4")
    assert (after.over, after.winner, after.tick) == (1, 0, 801)
    never = board("a2 B50 . . \n A1 . . .", "duel", tick=800)
    assert engine.step(never, go(0, 0, "right"), PASS)[0].over == 0


def test_a_draw_at_1200(engine):
    position = board("A1 a9 B5 .", "competition", tick=1198)
    position, _ = engine.step(position, PASS, PASS)
    assert position.over == 0
    won, _ = engine.step(position, go(0, 1, "right"), PASS)
    assert (won.over, won.winner) == (1, 0)
    drawn, _ = engine.step(position, PASS, PASS)
    assert (drawn.over, drawn.winner, drawn.tick) == (1, -1, 1200)
    assert picture(drawn) == "A3 a10 B7 ."
    assert engine.returns(drawn) == [0.0, 0.0]
