"""C16: a server on which games are played and followed for a while takes no more memory than at the start.

Ten minutes of it, under load, are measured by `bench/server_load.py`.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from experience_streams import play
from server_processes import host

from strategos.client.experiences import ExperienceStream

ROUND = 40
"""Games, each of up to 100 ticks."""
WARM_UP, MEASURED = 2, 5
"""Rounds in which all is allocated that stays, and those after them."""
GROWN_MB = 9.0
"""At most, in the rounds that are measured; 3 were seen, and 18 where every game that had ended was kept."""
SOON = {"linger_s": 0.5, "record_s": 1.0, "tick_least_s": 0.002, "requests_per_second": 1e6}
"""Games are written to files and forgotten while others are played."""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_C16_memory_stays_as_it_is_while_games_are_played_and_followed(tmp_path):
    with host(tmp_path / "data", **SOON) as server, server.client() as client:
        stream = ExperienceStream(client, (server.data / "worker.key").read_text().strip())
        followed: list[int] = []

        def follow() -> None:
            for batch in stream.batches():
                followed.append(len(batch))

        following = threading.Thread(target=follow, daemon=True)
        following.start()

        def play_rounds(number: int) -> int:
            for _ in range(number * ROUND):
                play(client, tick_limit=100)
            return server.memory_bytes

        before = play_rounds(WARM_UP)
        grown_mb = (play_rounds(MEASURED) - before) / 2**20
        stream.close()
        following.join(60)
        assert sum(followed) + stream.dropped_episodes >= MEASURED * ROUND * 2
        assert grown_mb < GROWN_MB
