"""A policy as a program of the line protocol: it is told one game, sees its frames and answers each of them.

The other end of `program.py`. What a policy gets is made from the frames alone: the view, the legal mask,
which an own tile and its neighbours decide, and the memory. Reads and writes the two streams that it is
given; starts nothing, keeps no time. Little may be imported here: submissions to the ladder carry it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np

from strategos.games.generals import view as sight
from strategos.games.generals.record import (
    ALIVE,
    memory_dtype,
    pass_action,
    ruleset,
    state_dtype,
    view_dtype,
)
from strategos.games.generals.tiles import index_ways
from strategos.play.line_protocol import (
    Greeting,
    ProtocolError,
    format_answer,
    parse_frame,
    parse_greeting,
)
from strategos.play.policy import Policy

_LONGEST_LINE = 1 << 20
"""Bytes of a line of a frame; the widest board there can be has less."""


class LinePlayer:
    """`policy` at one game of two players; with `builds` it may also build cities, as the ladder lets it."""

    def __init__(self, policy: Policy, greeting: Greeting, *, builds: bool, rng: np.random.Generator) -> None:
        height, width = greeting.height, greeting.width
        cells = height * width
        self.policy, self.greeting, self.rng = policy, greeting, rng
        self.pass_action = pass_action(cells, builds)
        self._views = np.zeros((1, 1), view_dtype(cells, 2))
        self._memories = np.zeros((1, 1), memory_dtype(cells, 2))
        self._masks = np.zeros((1, 2, self.pass_action // 8 + 1), np.uint8)
        self._known = np.zeros(1, state_dtype(cells, 2))
        self._known["rules"] = ruleset("competition" if builds else "duel")
        self._known["status"], self._known["team"] = ALIVE, [0, 1]
        self._known["height"], self._known["width"], self._known["stride"] = height, width, width
        self._rows = sight.scratch(height, width)

    def answer(self, lines: Sequence[bytes]) -> bytes:
        """The line that answers a frame; `ProtocolError` for lines that are none."""
        view = parse_frame(lines, self.greeting)
        self._views[0, 0] = view
        sight.remember_games(self._views, self._memories, self._rows)
        action = self.policy.act(self._views[0], self.legal(view), self._memories[0], self.rng)
        return format_answer(int(action[0]), view, self.pass_action)

    def legal(self, view: np.record) -> np.ndarray:
        """The packed mask [1, mask_bytes] of the player of `view`.

        It is that of a position which holds what the player sees: all that makes a move or a build legal.
        """
        for field in ("owner", "army", "terrain"):
            self._known[field] = view[field]
        index_ways(self._known[0])
        sight.mask_games(self._known, self._masks)
        return self._masks[:, self.greeting.player].copy()


def play_lines(sit_down: Callable[[Greeting], LinePlayer], source: BinaryIO, sink: BinaryIO) -> int:
    """Play the game that `source` tells, until it ends; returns the number of answers written to `sink`.

    `sit_down` makes the player once the game is known. `ProtocolError` for lines that are no game.
    """
    first = source.readline(_LONGEST_LINE)
    if not first:
        return 0
    greeting = parse_greeting(first)
    player = sit_down(greeting)
    answers = 0
    while frame := [line for _ in range(greeting.frame_lines) if (line := source.readline(_LONGEST_LINE))]:
        if len(frame) < greeting.frame_lines or not frame[-1].endswith(b"\n"):
            raise ProtocolError(f"the game ended in the middle of frame {answers}")
        sink.write(player.answer(frame))
        sink.flush()
        answers += 1
    return answers
