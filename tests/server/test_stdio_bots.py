"""Programs of the line protocol as agents of the server: named by the operator, chosen by their names."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from strategos.play.policy import PolicyError
from strategos.server.hall import Hall, RoomOptions
from strategos.server.settings import Settings
from strategos.server.stdio import program_agents

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
TICKS = 12


@pytest.fixture
def program(tmp_path) -> Path:
    """The folder of a program: the bot of the page about programs."""
    folder = tmp_path / "mybot"
    folder.mkdir()
    (folder / "bot.py").write_text(PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0])
    (folder / "run.sh").write_text(f"#!/bin/sh\nexec {sys.executable} -SI bot.py\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_names_are_short_and_apart(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = f"cmd:{sys.executable} {program / 'bot.py'}"
    agents = program_agents([str(program / "run.sh"), "mybot", command], taken=["bot"])
    assert list(agents) == ["mybot", "mybot-2", "bot-2"]
    assert agents["mybot"] == str(program / "run.sh") and agents["bot-2"] == command
    hunter = program.rename(tmp_path / "hunter")
    assert list(program_agents([str(hunter)])) == ["hunter-2"]  # the bots keep their names
    strange = hunter.rename(tmp_path / "a b;$(c)")
    assert list(program_agents([str(strange)])) == ["a-b-c"]


@pytest.mark.parametrize("source", ["./none.sh", "hunter", "cmd:", "cmd:no-such-program-anywhere"])
def test_what_is_no_program(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError):
        program_agents([source])


def test_a_program_sits_in_a_room(program, tmp_path):
    """It plays as it is asked, and is let go of with the room."""

    async def main() -> np.ndarray:
        settings = Settings(data=tmp_path / "data", runs=None, agents=program_agents([str(program)]))
        async with Hall(settings) as hall:
            assert "mybot" in hall.agents("generals") and "mybot" not in hall.agents("blob")
            options = RoomOptions(
                "generals",
                {"height": 8, "width": 8},
                agents={1: "mybot"},
                private=True,
                seed=3,
                tick_limit=TICKS,
            )
            ticket = await hall.create(options, name="ann", address="here")
            mailbox = hall.listen(ticket.token)
            acted = -1
            while True:
                snapshot, events = await mailbox.next()
                if any(event.kind == "over" for event in events):
                    break
                if snapshot is not None and snapshot.phase == "running" and snapshot.tick > acted:
                    acted = snapshot.tick
                    hall.act(ticket.token, 8 * 64)
            mailbox.close()
            result = hall.snapshot(ticket.token).result
            assert result is not None and result.reason == "limit"
            return snapshot.view if snapshot is not None else hall.snapshot(ticket.token).view

    view = asyncio.run(asyncio.wait_for(main(), 120))
    assert view is not None and int(view["tick"]) == TICKS
    assert int(view["land_total"][1]) > 1  # it has moved, and taken land
