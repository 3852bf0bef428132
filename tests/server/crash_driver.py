"""Runs a server in a child process, kills it at random moments, and tells what its successors found.

    python crash_driver.py FOLDER GAMES KILLS SEED TICKS

Players have seen TICKS positions or more before each kill. Every child takes up what the one before left: it
compares what players had seen with what there is now, sends the last keyed move of each game again, then
plays on by chance until it is killed. In one game of four the moves come out of queues. Prints one JSON
object. A process of its own, as it forks.
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
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from halls import BOARD, legal, options, passing, settings

from strategos.play.record import find_records, verify
from strategos.server.hall import Hall, HallError, Snapshot, Ticket
from strategos.server.records.archive import Archive
from strategos.server.rooms.kinds import build
from strategos.server.rooms.prepare import prepare

FIRST_LIFE_S, LIFE_S = 0.4, 0.25
QUEUED = 4
"""Moves that wait in a game whose moves come out of queues."""


@dataclass
class Known:
    """What the players of a game knew when their server was killed."""

    tokens: list[str]
    queued: bool
    tick: int = 0
    act: list | None = None
    """Key and action of the last keyed move of the first seat, and the tick after it."""
    said: list[tuple[int, int]] = field(default_factory=list)
    """Ticks, and how many moves the first seat had queued by then in all."""


def in_all(seen: Snapshot) -> int:
    """Moves that a seat has queued so far."""
    return seen.taken + 1 + len(seen.queue)


def is_another(hall: Hall, token: str, act: list) -> bool:
    """Whether a keyed move that is sent again is taken for another one."""
    key, action, after = act
    try:
        return hall.act(token, action, key=key) != after
    except HallError as error:
        return error.code != "over"


def is_lost(seen: Snapshot, known: Known) -> bool:
    """Whether moves that had waited through a tick wait no more, or would be played a second time."""
    short = any(in_all(seen) < number for tick, number in known.said if tick < seen.tick)
    return short or seen.taken not in (seen.tick - 1, seen.tick)


async def live(folder: Path, games: int, known: dict[str, Known], out: int, seed: int, kill: bool) -> None:
    """One life of the server: check, then play; `known` is what players knew before."""
    rng = random.Random(seed)

    def say(**what) -> None:
        os.write(out, json.dumps(what).encode() + b"\n")

    async with Hall(settings(folder, creates_per_minute=1e6, games_per_address=10_000)) as hall:
        tokens: dict[str, list[str]] = {}
        queued: set[str] = set()
        for room, before in known.items():
            held = before.tokens
            try:
                now = hall.snapshot(held[0])
            except HallError as error:
                say(room=room, gone=True, told_over=error.code == "over")
                continue
            say(
                room=room,
                lost=before.tick - now.tick,
                tokens=[hall.check(each).seat for each in held] == [0, 1],
                another=before.act is not None and is_another(hall, held[0], before.act),
                moves_lost=before.queued and now.phase == "running" and is_lost(now, before),
            )
            tokens[room] = held
            queued |= {room} if before.queued else set()
        say(ready=len(tokens))
        if not kill:
            return
        while True:
            while len(tokens) < games:
                first = await hall.create(options(), name="ann", address="a")
                second = await hall.join(first.code, name="bob", address=first.room)
                tokens[first.room] = [first.token, second.token]
                if rng.random() < 0.25:
                    queued.add(first.room)
                say(room=first.room, made=tokens[first.room], queued=first.room in queued)
            for room, held in list(tokens.items()):
                seen = hall.snapshot(held[0])
                if seen.result is not None:
                    say(room=room, ended=seen.result.replay, tick=seen.tick)
                    del tokens[room]
                    continue
                if seen.phase != "running":
                    continue
                say(room=room, tick=seen.tick)
                with contextlib.suppress(HallError):
                    if room in queued:
                        for token in held:
                            while len(hall.snapshot(token).queue) < QUEUED:
                                hall.enqueue(token, passing(hall, Ticket(room, 0, token, "")))
                        seen = hall.snapshot(held[0])
                        say(room=room, tick=seen.tick, said=in_all(seen))
                    else:
                        action, key = rng.choice(legal(seen)), f"{seen.tick}"
                        say(room=room, act=[key, action, hall.act(held[0], action, key=key)])
                        hall.act(held[1], rng.choice(legal(hall.snapshot(held[1]))), tick=seen.tick)
                if seen.tick > 5 and rng.random() < 0.005:
                    with contextlib.suppress(HallError):
                        hall.surrender(held[rng.randrange(2)])
            await asyncio.sleep(0)


def fork(folder: Path, games: int, known: dict[str, Known], seed: int, kill: bool) -> tuple[int, int]:
    """Process and pipe of a child that runs `live`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            asyncio.run(live(folder, games, known, write, seed, kill))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    return child, read


def main() -> None:
    folder, games, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    asyncio.run(prepare(build("generals", BOARD, board_cells=400)))  # for every child, too
    rng, ticks = random.Random(seed), int(sys.argv[5])
    known: dict[str, Known] = {}
    ended: dict[str, str] = {}
    told = dict.fromkeys(
        (
            "resumed",
            "most_ticks_lost",
            "tokens_lost",
            "moves_lost",
            "another",
            "again",
            "gone",
            "failed",
            "ticks",
        ),
        0,
    )
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


def _account(line: dict, known: dict[str, Known], ended: dict[str, str], told: dict) -> None:
    room = line.get("room")
    if room is None:
        return
    if "made" in line:
        known[room] = Known(line["made"], line["queued"])
    elif "lost" in line:
        told["resumed"] += 1
        told["most_ticks_lost"] = max(told["most_ticks_lost"], line["lost"])
        told["tokens_lost"] += not line["tokens"]
        told["another"] += line["another"]
        told["moves_lost"] += line["moves_lost"]
        told["again"] += known[room].act is not None
    elif "gone" in line:
        told["gone"] += not line["told_over"]
        known.pop(room, None)
    elif "ended" in line:
        ended[room] = line["ended"]
        known.pop(room, None)
    elif "act" in line:
        known[room].act = line["act"]
    elif room in known:
        told["ticks"] += line["tick"] > known[room].tick
        known[room].tick = max(known[room].tick, line["tick"])
        if "said" in line:
            known[room].said = [*known[room].said[-9:], (line["tick"], line["said"])]


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
