"""Who only watches: an address has its share, and nobody who watches loses a place to anybody."""

from __future__ import annotations

import pytest
from halls import Clock, duel, run, settings

from strategos.server.hall import Hall, HallError
from strategos.server.rooms.watching import UNUSED_S


async def refused(hall: Hall, code: str, address: str) -> bool:
    """Whether an address may not watch any more."""
    try:
        await hall.spectate(code, address=address)
    except HallError as error:
        assert error.code == "exhausted" and "wait a minute" in error.message
        return True
    return False


def test_one_stranger_puts_no_other_spectator_out(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await duel(hall)
            _, other = await hall.spectate(first.code, address="o")
            answers = [await refused(hall, first.code, "s") for _ in range(300)]
            assert answers == [False] * 100 + [True] * 200
            assert hall.snapshot(other).room == first.room
            assert not await refused(hall, first.code, "p")

    run(work())


def test_many_strangers_put_no_other_spectator_out(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, spectators=1)) as hall:
            first, _ = await duel(hall)
            _, token = await hall.spectate(first.code, address="o")
            answers = [await refused(hall, first.code, f"{number}") for number in range(6)]
            assert answers == [False] * 3 + [True] * 3
            assert hall.snapshot(token).room == first.room

    run(work())


def test_a_place_that_nobody_uses_is_given_away_and_no_other(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path, spectators=2), clock=clock) as hall:
            first, _ = await duel(hall)
            tokens = [(await hall.spectate(first.code, address="s"))[1] for _ in range(4)]
            listening = hall.listen(tokens[0])
            for token in tokens[1:]:
                hall.check(token)  # heard of later than who only listens
            clock.ahead_s += UNUSED_S / 2
            hall.snapshot(tokens[2])
            assert await refused(hall, first.code, "s")
            clock.ahead_s += UNUSED_S / 2
            assert not await refused(hall, first.code, "s")
            for token in (tokens[0], tokens[2], tokens[3]):
                assert hall.check(token).seat == -1
            with pytest.raises(HallError, match="watch again"):
                hall.check(tokens[1])
            listening.close()

    run(work())


def test_one_stranger_does_not_take_all_lines_of_the_spectators(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, spectators=4)) as hall:
            first, _ = await duel(hall)
            _, token = await hall.spectate(first.code, address="s")
            lines = [hall.listen(token), hall.listen(token)]
            with pytest.raises(HallError, match="too many listen") as caught:
                hall.listen(token)
            assert caught.value.code == "exhausted"
            _, other = await hall.spectate(first.code, address="o")
            lines.append(hall.listen(other))
            lines[0].close()
            lines.append(hall.listen(token))
            for line in lines:
                line.close()

    run(work())
