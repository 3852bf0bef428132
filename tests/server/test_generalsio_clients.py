"""Independent clients of the generals.io protocol: those of npm, old and new, and the bot of the page."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from generalsio_house import House, run

PAGE = Path(__file__).parents[2] / "docs" / "generalsio.md"
VERSIONS = {"1.7": "1.7.4", "4": "4.8.1"}
"""Of socket.io-client: the first speaks Engine.IO 3."""
PLAYER = """
const [where, url, id, game, transports] = process.argv.slice(2);
const io = require(where);
const socket = (io.io || io)(url, {transports: transports.split(","), reconnection: false, forceNew: true});
const seen = {updates: 0, turns: [], events: {}};
let map = [], me = -1;
function patch(old, diff) {
  const out = [];
  for (let i = 0; i < diff.length; i += 2) {
    out.push(...old.slice(out.length, out.length + diff[i]));
    if (i + 1 < diff.length) {
      out.push(...diff.slice(i + 2, i + 2 + diff[i + 1]));
      i += diff[i + 1];
    }
  }
  return out;
}
function count(name) { socket.on(name, (...all) => { seen.events[name] = all; }); }
["game_won", "game_lost", "pre_game_start", "queue_update", "error_set_username"].forEach(count);
socket.on("connect", () => {
  socket.emit("set_username", id, "n\\u00f6de \\ud83e\\udd8a");
  socket.emit("join_private", game, id, "key");
  socket.emit("set_custom_options", game, {width: 8, height: 8, game_speed: 100, agents: ["random"]});
  socket.emit("get_username", id, (name) => { seen.name = name; });
  socket.emit("set_force_start", game, true);
});
socket.on("game_start", (data, nothing) => { me = data.playerIndex; seen.start = data; });
socket.on("game_update", (data, nothing) => {
  map = patch(map, data.map_diff);
  seen.updates += 1;
  seen.turns.push(data.turn);
  const [width, height] = map, size = width * height;
  const armies = map.slice(2, size + 2), terrain = map.slice(size + 2);
  seen.land = terrain.filter((owner) => owner === me).length;
  for (let tile = 0; tile < size; tile += 1) {
    if (terrain[tile] !== me || armies[tile] < 2) continue;
    for (const [step, inside] of [[-width, tile >= width], [width, tile < size - width],
                                  [-1, tile % width > 0], [1, tile % width < width - 1]]) {
      if (inside && terrain[tile + step] === -1 && armies[tile + step] < armies[tile] - 1) {
        socket.emit("attack", tile, tile + step, false, seen.updates);
        return;
      }
    }
  }
  if (seen.updates > 40 && seen.land > 3) socket.emit("surrender");
});
socket.on("game_over", () => { console.log(JSON.stringify(seen)); process.exit(0); });
socket.on("disconnect", (reason) => { console.log(JSON.stringify({reason})); process.exit(1); });
setTimeout(() => { console.log(JSON.stringify({late: seen})); process.exit(2); }, 120000);
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Where a version of socket.io-client was installed; skips where that cannot be."""
    folders: dict[str, Path] = {}

    def install(version: str) -> Path:
        if version not in folders:
            if not (shutil.which("node") and shutil.which("npm")):
                pytest.skip("there is no node, which runs the clients of npm")
            folder = tmp_path_factory.mktemp(f"client-{version}")
            (folder / "package.json").write_text("{}")
            wanted = f"socket.io-client@{VERSIONS[version]}"
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", wanted]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100)
            except subprocess.TimeoutExpired:
                pytest.skip(f"{wanted} was not installed in time")
            if done.returncode != 0:
                pytest.skip(f"{wanted} cannot be installed here")
            folders[version] = folder
        return folders[version]

    return install


async def output_of(*command: str | Path) -> tuple[int, str]:
    """Exit code and output of a process."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
@pytest.mark.parametrize("version", list(VERSIONS))
def test_h17_the_clients_of_npm_play(tmp_path, packages, version, transports):
    folder = packages(version)
    (folder / "player.js").write_text(PLAYER)

    async def test(house: House) -> None:
        module = folder / "node_modules" / "socket.io-client"
        code, output = await output_of(
            "node", folder / "player.js", module, house.url, "node", f"{version}-{transports}", transports
        )
        assert code == 0, output
        seen = json.loads(output.splitlines()[-1])
        assert seen["name"] == "[Bot] nöde 🦊" == seen["start"]["usernames"][0]
        assert seen["events"]["error_set_username"] == [""] and seen["events"]["pre_game_start"] == []
        assert seen["turns"] == sorted(seen["turns"]) and seen["updates"] > 5
        ends = {name: all for name, all in seen["events"].items() if name in ("game_won", "game_lost")}
        assert list(ends.values()) in ([[None, None]], [[{"killer": -1, "surrender": True}, None]])

    run(tmp_path, test, tick_limit=3000)


def test_the_bot_of_the_page_plays_a_whole_game(tmp_path):
    code = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) < 60
    (tmp_path / "bot.py").write_text(code)

    async def test(house: House) -> None:
        playing = asyncio.create_task(
            output_of(sys.executable, tmp_path / "bot.py", house.url, "secret", "room", "random")
        )
        seated = None
        while not playing.done():
            player = house.app.entrance.players.get("secret")
            seated = (player and player.seated) or seated
            await asyncio.sleep(0.01)
        code, output = playing.result()
        assert code == 0, output
        assert seated is not None and seated.over
        assert int(seated.view["land_total"][seated.seat]) >= 5
        told = [line for line in output.splitlines() if line.startswith("game_") or "error" in line]
        assert told in (["game_won None"], [])  # [] where the limit of ticks came first

    run(tmp_path, test, tick_limit=400)
