"""The replay in the browser: its data is the game, its fog is the engine's fog, its page stands alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from strategos.evaluate.player import player_data, replay_page, script_json
from strategos.evaluate.report import replay_of_record
from strategos.games import make_game
from strategos.games.generals.record import FOG, OBSTACLE
from strategos.play.agents import load_policy
from strategos.play.match import play_match
from strategos.play.record import GameRecord, match_records, replay

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to draw the page")


@pytest.fixture(scope="module")
def game():
    return make_game("generals", height=6, width=7, players=3)


@pytest.fixture(scope="module")
def record(game) -> GameRecord:
    """Hunters capture each other, so that a fallen general turns into a city that not everyone has seen."""
    policies = [load_policy("hunter"), load_policy("hunter"), load_policy("expander")]
    match = play_match(game, policies, num_games=3, seed=4, tick_limit=220, record=True)
    return max(match_records(game, match), key=lambda each: each.ticks)


@pytest.fixture(scope="module")
def data(record) -> dict:
    return replay_of_record(record)


def crop(state, field: str) -> list[int]:
    height, width, stride = int(state["height"]), int(state["width"]), int(state["stride"])
    return state[field].reshape(-1, stride)[:height, :width].ravel().tolist()


def test_the_data_is_the_game(record, data):
    code, army = list(data["code"]), list(data["army"])
    for tick, states in enumerate(replay(record)):
        if tick:
            changes = data["ticks"][tick - 1]
            for place in range(0, len(changes), 3):
                cell, code[cell], army[cell] = changes[place], changes[place + 1], changes[place + 2]
        assert [value >> 5 for value in code] == crop(states[0], "terrain")
        assert [(value & 31) - 1 for value in code] == crop(states[0], "owner")
        assert army == crop(states[0], "army")
    assert tick == len(data["ticks"]) == record.ticks
    assert json.loads(script_json(data)) == data


def test_every_arrow_is_a_move_from_an_own_tile(record, data):
    before = None
    drawn = 0
    for tick, states in enumerate(replay(record)):
        if before is not None:
            moves = np.reshape(data["moves"][tick - 1], (-1, 4))
            for player, source, target, _ in moves:
                assert before["owner"][source] == player and before["army"][source] > 1
                assert abs(target - source) in (1, data["width"])
            drawn += len(moves)
        before = states[0].copy()
    assert drawn > record.ticks


def test_deaths_are_those_of_the_game(record, data):
    died = {}
    for tick, states in enumerate(replay(record)):
        for player in np.flatnonzero(states[0]["death"]):
            died.setdefault(int(player), tick)
    assert died and {player: tick for tick, player in data["deaths"]} == died


def test_a_smaller_board_of_a_padded_batch_is_cropped():
    game = make_game("generals", height=10, width=10, min_height=6, min_width=5)
    states = np.zeros(40, game.state_dtype)
    game.reset(states, np.arange(40, dtype=np.int64))
    state = states[np.argmin(states["height"].astype(int) * states["width"])]
    data = player_data([state], names=["a", "b"], title="small")
    assert (data["height"], data["width"]) == (state["height"], state["width"]) != (10, 10)
    assert len(data["code"]) == data["height"] * data["width"]
    assert sum(value >> 5 == 4 for value in data["code"]) == 2


def test_mistakes_are_named(game):
    with pytest.raises(ValueError, match="no states"):
        player_data([], names=["a", "b"], title="none")
    states = np.zeros(1, game.state_dtype)
    game.reset(states, np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="2 names for 3 players"):
        player_data(states, names=["a", "b"], title="short")


def test_the_page_stands_alone_and_no_name_can_break_it(record, data):
    nasty = '</script><img src=x onerror="alert(1)">'
    page = replay_page({**data, "title": nasty})
    assert nasty not in page
    assert not re.search(r"<(?:img|link|iframe|script [^>]*src)|url\(|https?://|@import|fetch\(", page)


def in_browser(page: str, folder: Path, fragment: str = "") -> str:
    """The page's elements after its scripts have run."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=2000",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            f"{file.as_uri()}{fragment}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


EVERY_VIEW = """
<script>
const whole = new Replay(JSON.parse(document.getElementById("replay-0").textContent)), seen = [];
for (let frame = 0; frame <= whole.last; frame++) {
  whole.seek(frame);
  for (let player = 0; player < whole.data.players.length; player++) {
    let line = "";
    for (let cell = 0; cell < whole.cells; cell++)
      line += whole.sees(player, cell) ? "v" : whole.obstacleInFog(cell, player) ? "o" : ".";
    seen.push(line);
  }
}
whole.seek(7);
document.body.append(Object.assign(document.createElement("output"), {textContent: seen.join(" ")}));
</script>
"""


def assert_the_fog_is_the_engines(game, record: GameRecord, folder: Path) -> None:
    """Every tile in every position as each living player sees it."""
    page = replay_page(replay_of_record(record)).replace("</body>", EVERY_VIEW + "</body>")
    found = re.search(r"<output>([vo. ]+)</output>", in_browser(page, folder))
    assert found, "the player's script did not run to its end"
    shown = iter(found.group(1).split(" "))
    players = game.spec.num_players
    views = np.zeros((1, players), game.view_dtype)
    for states in replay(record):
        game.view(states, views)
        for player in range(players):
            terrain = crop(views[0, player], "terrain")
            expected = "".join({FOG: ".", OBSTACLE: "o"}.get(kind, "v") for kind in terrain)
            if states[0]["status"][player] == 1:  # the dead see nothing that matters
                assert next(shown) == expected
            else:
                next(shown)


@needs_browser
def test_the_fog_in_the_browser_is_the_fog_of_the_engine(game, record, tmp_path):
    assert_the_fog_is_the_engines(game, record, tmp_path)


class Builder:
    """A hunter that builds a city wherever it can pay for one."""

    name = "builder"

    def act(self, views, masks, memories, rng):
        marches = load_policy("hunter").act(views, masks, memories, rng)
        cells = views["owner"].shape[1]
        builds = np.unpackbits(masks, axis=1, bitorder="little")[:, 8 * cells : 9 * cells]
        return np.where(builds.any(1), 8 * cells + builds.argmax(1), marches).astype(np.int32)


@needs_browser
def test_a_built_city_is_fog_until_it_is_seen(tmp_path):
    game = make_game("generals", height=8, width=8, ruleset="competition")
    match = play_match(game, [Builder(), Builder()], num_games=4, seed=4, tick_limit=300, record=True)
    record = max(match_records(game, match), key=lambda each: each.ticks)
    assert any(states[0]["disguises"] for states in replay(record)), "nobody built out of sight"
    assert_the_fog_is_the_engines(game, record, tmp_path)


@needs_browser
def test_the_page_draws_the_position_it_is_asked_for(game, record, data, tmp_path):
    dom = in_browser(replay_page(data), tmp_path, "#tick=12&view=2")
    canvas = re.search(r'<canvas class="field"[^>]*>', dom)
    assert canvas and 'data-tick="12"' in canvas.group()
    states = [states.copy() for states in replay(record)][12]
    views = np.zeros((1, 3), game.view_dtype)
    game.view(states, views)
    visible = sum(kind not in (FOG, OBSTACLE) for kind in crop(views[0, 1], "terrain"))
    assert f'data-visible="{visible}"' in canvas.group()
    assert len(re.findall(r'<button[^>]*aria-pressed="true"', dom)) == 1 and "turn 6" in dom
