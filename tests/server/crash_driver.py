"""Runs a server in a child process, kills it at random moments, and tells what its successors found.

    python crash_driver.py FOLDER GAMES KILLS SEED TICKS

Players have seen TICKS positions or more before each kill. Every child takes up what the one before left: it
compares what players had seen with what there is now, then plays on by chance until it is killed. Prints one
JSON object. A process of its own, as it forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from halls import BOARD, legal, options, settings

from strategos.play.record import find_records, verify
from strategos.server.hall import Hall, HallError
from strategos.server.records.archive import Archive
from strategos.server.rooms.kinds import build
from strategos.server.rooms.prepare import prepare

FIRST_LIFE_S, LIFE_S = 0.4, 0.25


async def live(folder: Path, games: int, known: dict, out: int, seed: int, kill: bool) -> None:
    """One life of the server: check, then play; `known` is what players knew before."""
    rng = random.Random(seed)

    def say(**what) -> None:
        os.write(out, json.dumps(what).encode() + b"\n")

    async with Hall(settings(folder, creates_per_minute=1e6, games_per_address=10_000)) as hall:
        tokens: dict[str, list[str]] = {}
        for room, (held, tick, ended) in known.items():
            try:
                now = hall.snapshot(held[0])
                if ended:
                    raise AssertionError(f"{room} had ended and runs again")
                say(
                    room=room, lost=tick - now.tick, tokens=[hall.check(each).seat for each in held] == [0, 1]
                )
                tokens[room] = held
            except HallError as error:
                say(room=room, gone=True, told_over=error.code == "over")
        say(ready=len(tokens))
        if not kill:
            return
        while True:
            while len(tokens) < games:
                first = await hall.create(options(), name="ann", address="a")
                second = await hall.join(first.code, name="bob", address="a")
                tokens[first.room] = [first.token, second.token]
                say(room=first.room, made=tokens[first.room])
            for room, held in list(tokens.items()):
                seen = hall.snapshot(held[0])
                if seen.result is not None:
                    say(room=room, ended=seen.result.replay, tick=seen.tick)
                    del tokens[room]
                    continue
                if seen.phase != "running":
                    continue
                say(room=room, tick=seen.tick)
                for token in held:
                    mine = hall.snapshot(token)
                    with contextlib.suppress(HallError):
                        hall.act(token, rng.choice(legal(mine)), tick=mine.tick)
                if seen.tick > 5 and rng.random() < 0.005:
                    with contextlib.suppress(HallError):
                        hall.surrender(held[rng.randrange(2)])
            await asyncio.sleep(0)


def fork(folder: Path, games: int, known: dict, seed: int, kill: bool) -> tuple[int, int]:
    """Process and pipe of a child that runs `live`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            asyncio.run(live(folder, games, known, write, seed, kill))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    return child, read


def main() -> None:
    folder, games, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    asyncio.run(prepare(build("generals", BOARD, board_cells=400)))  # for every child, too
    rng, ticks = random.Random(seed), int(sys.argv[5])
    known: dict[str, list] = {}
    ended: dict[str, str] = {}
    told = {"resumed": 0, "most_ticks_lost": 0, "tokens_lost": 0, "gone": 0, "failed": 0, "ticks": 0}
    for life in range(kills + 1):
        last = life == kills
        child, pipe = fork(folder, games, known, seed + life, not last)
        if not last:
            _wait_and_kill(child, pipe, rng, ticks)
        lines = b""
        while piece := os.read(pipe, 1 << 20):
            lines += piece
        os.close(pipe)
        _, status = os.waitpid(child, 0)
        told["failed"] += (
            not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL) and status != 0
        )
        for line in (_early.pop(pipe, b"") + lines).splitlines():
            with contextlib.suppress(ValueError):  # the last line may have been cut off
                _account(json.loads(line), known, ended, told)
    while Archive(folder).write(64):
        pass
    records = find_records(folder / "games") if ended else []
    told["records"], told["ended"] = len(records), len(ended)
    told["distinct"] = len({record.seed for record in records})
    told["running"] = len(known)
    asyncio.run(_verify_all(folder, ended, told))
    print(json.dumps(told))


_early: dict[int, bytes] = {}


def _wait_and_kill(child: int, pipe: int, rng: random.Random, ticks: int) -> None:
    """Let a child check what it found, then kill it somewhere in the middle of its games."""
    lines = b""
    while b'"ready"' not in lines or lines.count(b'"tick"') < ticks:
        piece = os.read(pipe, 1 << 16)
        if not piece:
            break
        lines += piece
    until = time.monotonic() + FIRST_LIFE_S * rng.random() + LIFE_S * rng.random()
    os.set_blocking(pipe, False)
    while time.monotonic() < until:  # a full pipe would hold the child up
        try:
            lines += os.read(pipe, 1 << 20)
        except BlockingIOError:
            time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.set_blocking(pipe, True)
    _early[pipe] = lines


def _account(line: dict, known: dict[str, list], ended: dict[str, str], told: dict) -> None:
    room = line.get("room")
    if room is None:
        return
    if "made" in line:
        known[room] = [line["made"], 0, False]
    elif "lost" in line:
        told["resumed"] += 1
        told["most_ticks_lost"] = max(told["most_ticks_lost"], line["lost"])
        told["tokens_lost"] += not line["tokens"]
    elif "gone" in line:
        told["gone"] += not line["told_over"]
        known.pop(room, None)
    elif "ended" in line:
        ended[room] = line["ended"]
        known.pop(room, None)
    elif room in known:
        told["ticks"] += line["tick"] > known[room][1]
        known[room][1] = max(known[room][1], line["tick"])


async def _verify_all(folder: Path, ended: dict[str, str], told: dict) -> None:
    """Every game whose end a player saw has its record, and that replays to its end."""
    async with Hall(settings(folder)) as hall:
        told["missing"] = 0
        for replay in ended.values():
            try:
                verify(hall.replay(replay))
            except HallError:
                told["missing"] += 1


if __name__ == "__main__":
    main()
