"""A flag does what an `asyncio.Event` does."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.server.flag import Flag

STEPS = st.lists(st.sampled_from(["wait", "wait", "set", "clear", "cancel", "turn"]), max_size=30)


async def waits_of(flag: Flag | asyncio.Event, steps: list[str]) -> list[str]:
    """How all waits have ended, or not, after some steps."""
    waits: list[asyncio.Task] = []
    for step in steps:
        if step == "wait":
            waits.append(asyncio.create_task(flag.wait()))
        elif step == "cancel" and waits:
            waits[len(waits) // 2].cancel()
        elif step == "turn":
            await asyncio.sleep(0)
        elif step in ("set", "clear"):
            getattr(flag, step)()
    for _ in range(3):
        await asyncio.sleep(0)
    ended = ["cancelled" if each.cancelled() else "done" if each.done() else "waits" for each in waits]
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return ended


@given(steps=STEPS)
def test_it_lets_go_on_whom_an_event_does(steps):
    flag = Flag()
    assert asyncio.run(waits_of(flag, steps)) == asyncio.run(waits_of(asyncio.Event(), steps))
    assert flag._waiting == ()  # nobody who has gone is kept


@pytest.mark.parametrize("is_set", [False, True])
def test_it_may_begin_set(is_set):
    assert asyncio.run(waits_of(Flag(is_set), ["wait"])) == ["done" if is_set else "waits"]
