"""A13: while the process is stopped no clock of the hall runs, and nobody is given up for it."""

from __future__ import annotations

import asyncio
import time

from halls import run, settings
from wire import serving, wire

from strategos.server.clock import STALL_S, AwakeClock
from strategos.server.generalsio import make_app
from strategos.server.hall import Hall


def test_a13_time_in_which_nobody_looked_at_the_clock_does_not_count():
    now = [100.0]
    clock = AwakeClock(lambda: now[0])
    shown = []
    for passes in (0.0, 1.0, STALL_S, 30.0, 1.0, STALL_S + 0.1, 0.5):
        now[0] += passes
        shown.append(clock() - 100.0)
    assert shown == [0.0, 1.0, 1.0 + STALL_S, 1.0 + STALL_S, 2.0 + STALL_S, 2.0 + STALL_S, 2.5 + STALL_S]


def test_a13_a_session_of_generals_io_outlives_a_server_that_stood_still(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            app = make_app(hall, ping_interval_s=1.0, ping_timeout_s=1.0)
            async with serving(app) as port, wire(port, 3) as client:
                await client.send("2")
                await client.until("3")
                time.sleep(2 * STALL_S)  # of the loop: server and client stand still together
                await asyncio.sleep(0.5)  # the server looks around before the client has said anything
                await client.send("2still here")
                assert await client.until("3still") == "3still here"

    run(work())
