"""Any program as a player: a child process that is asked by the line protocol and answers in time, or passes.

One process plays one seat of one game. It is sent a frame a tick, made from its view alone, and has so long
to answer. What comes too late, or is no answer, is played as a pass and counted as a fault; with too many
faults, or when the program ends, it forfeits the game. A move that the mask does not allow is a pass and
nothing more. Nothing that a program does can raise an error here or hold up anybody for longer than its time.

An answer does not say which frame it is for, so the answers are counted: the nth line that a program writes
belongs to its nth frame. The line owed for a frame whose time is over is thrown away when it comes, however
late, and is never taken for the answer to a later frame; a line that no frame has asked for is a fault.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strategos.engine.pool import available_cores
from strategos.games.generals.record import has_builds, pass_action
from strategos.games.masks import is_set
from strategos.play.child_process import ChildProcess, end, serve, without_network
from strategos.play.line_protocol import (
    ProtocolError,
    check_players,
    format_frame,
    format_greeting,
    parse_answer,
)
from strategos.play.policy import Conduct


@dataclass(frozen=True)
class Limits:
    """What a program may take; the defaults are those of the generals.bot ladder."""

    move_s: float = 0.15
    """Seconds for an answer."""
    first_move_s: float = 10.0
    """Seconds for the first answer of a game, the start of the program included."""
    faults: int = 50
    """With so many the game is forfeited."""
    memory_bytes: int | None = 2 << 30
    """Data of each of its processes; None for no limit."""
    end_s: float = 3.0
    """Seconds from the end of its input to the end of the program, before it is killed."""
    network: bool = False
    """Whether it has a network. Has one anyway where `can_cut_network` says no."""


class Program:
    """A player of two-player Generals whose moves come from `command`, run in `folder`."""

    game = "generals"

    def __init__(
        self, command: Sequence[str], folder: Path, *, name: str, limits: Limits | None = None
    ) -> None:
        self.command, self.folder, self.name = tuple(command), folder, name
        self.limits = limits or Limits()
        self._alone: ProgramSession | None = None
        self._close: weakref.finalize | None = None

    @property
    def games_at_once(self) -> int:
        """As many games as there are cores: a program's time is measured on the clock."""
        return available_cores()

    def begin(self) -> ProgramSession:
        """The program at the games of one batch."""
        return ProgramSession(self.command, self.folder, self.limits)

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Play one game, from the view at tick 0 on; see `Policy.act`. After a forfeit it passes.

        `ValueError` for more games than one: only a session can tell which process sits at which.
        """
        if len(views) != 1:
            raise ValueError(
                f"{self.name} is a program and is asked about one game at a time, not {len(views)}; "
                "many at once are played by a match, as in strategos tournament"
            )
        if self._alone is None or views["tick"][0] == 0:
            self.close()
            self._alone = self.begin()
            self._close = weakref.finalize(self, self._alone.close)  # also when Python ends
        return self._alone.act(np.zeros(1, np.int64), views, masks, memories, rng)

    def close(self) -> None:
        """End the process of the game that `act` plays."""
        if self._close is not None:
            self._close()
        self._alone = self._close = None


class ProgramSession:
    """The processes of one program, one for each game; see `Session`."""

    def __init__(self, command: Sequence[str], folder: Path, limits: Limits) -> None:
        self._command, self._folder, self._limits = command, folder, limits
        self._seats: dict[int, _Seat] = {}

    def act(
        self,
        games: np.ndarray,
        views: np.ndarray,
        masks: np.ndarray,
        memories: np.ndarray | None,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Ask the programs of all `games` at once and wait until each has answered or its time is over."""
        check_players(views)
        seats = [self._seat(int(game)) for game in games]
        for seat, view, mask in zip(seats, views, masks, strict=True):
            seat.ask(view, mask)
        while waiting := [seat for seat in seats if not seat.settled()]:
            first = min(seat.deadline for seat in waiting)
            serve((seat.child for seat in waiting if seat.child), first - time.monotonic())
        for seat in seats:  # only now that nobody's time is running
            seat.tell_end()
        return np.array([seat.action for seat in seats], np.int32)

    def conduct(self, game: int) -> Conduct:
        """How the program has behaved in a game."""
        return self._seat(game).conduct

    def finish(self, games: np.ndarray) -> None:
        """Close the input of the programs of `games`; kill those that do not end within `Limits.end_s`."""
        seats = [self._seat(int(game)) for game in games]
        end([seat.child for seat in seats if seat.child], self._limits.end_s)

    def close(self) -> None:
        """End the programs of all games."""
        self.finish(np.array(list(self._seats), np.int64))

    def _seat(self, game: int) -> _Seat:
        if game not in self._seats:
            self._seats[game] = _Seat(self._command, self._folder, self._limits)
        return self._seats[game]


class _Seat:
    """One process in one game: the frame it was sent last, the answers it owes, its faults."""

    def __init__(self, command: Sequence[str], folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.conduct = Conduct()
        self.child: ChildProcess | None = None
        self.action = self.pass_action = 0
        self.deadline = 0.0
        self._command, self._folder = command, folder
        self._view: np.record
        self._mask: np.ndarray
        self._owed = 0
        self._asked = False
        self._gone = False
        """The program has ended while an answer was waited for; how is still to be told."""

    def ask(self, view: np.record, mask: np.ndarray) -> None:
        """Send the frame of `view`; its answer, when there is one, stands in `action`."""
        self._view, self._mask = view, mask
        cells = len(view["owner"])
        self.action = self.pass_action = pass_action(cells, has_builds(cells, len(mask)))
        self._asked = self.conduct.forfeit is None
        if not self._asked:
            return
        allowed_s = self.limits.first_move_s if self.child is None else self.limits.move_s
        self.deadline = time.monotonic() + allowed_s
        if self.child is None:
            self._start(view)
        else:
            self._clear_the_pipe()
        if self._asked and self.child is not None:
            self.child.send(format_frame(view))
            self._owed += 1

    def settled(self) -> bool:
        """Whether the frame has been answered, or nothing more is waited for; to be asked after `serve`."""
        while self._asked and self.child is not None and self.child.lines:
            line = self.child.lines.popleft()
            self._owed -= 1
            if self._owed == 0:
                self._take(line)
        if self._asked and self.child is not None and self.child.ended is not None:
            self._asked, self._gone = False, True
        if self._asked and time.monotonic() >= self.deadline:
            self._time_out()
        return not self._asked

    def tell_end(self) -> None:
        """Forfeit if the program is gone, and say how; waits for that a moment where it must."""
        if self._gone and self.child is not None:
            self._gone = False
            self._forfeit(self.child.tell_end())

    def _start(self, view: np.record) -> None:
        command = self._command if self.limits.network else without_network(self._command)
        try:
            self.child = ChildProcess(command, self._folder, self.limits.memory_bytes)
        except OSError as error:
            self._forfeit(f"could not be started: {error.strerror}")
            return
        self.child.send(format_greeting(view))

    def _clear_the_pipe(self) -> None:
        """Throw away what came since the last frame: answers owed for earlier frames, or faults."""
        assert self.child is not None
        self.child.receive()
        while self._asked and self.child.lines:
            self.child.lines.popleft()
            self._throw_away()
        if self._asked and self.child.mid_line and self._owed == 0:
            self._throw_away()
            self._owed = 1  # the end of that line is still to come

    def _throw_away(self) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._fault("a line that no frame had asked for")

    def _take(self, line: bytes) -> None:
        """The line that answers the frame."""
        self._asked = False
        try:
            action = parse_answer(line, self._view, self.pass_action)
        except ProtocolError as error:
            self._fault(str(error))
            return
        if 0 <= action < 8 * len(self._mask) and is_set(self._mask, action):
            self.action = action
        else:
            self.conduct.illegal += 1

    def _time_out(self) -> None:
        self._asked = False
        if self.child is not None and not self.child.running:
            self._gone = True  # a process it has left behind holds its pipes open
        else:
            self._fault("no answer in time")

    def _fault(self, what: str) -> None:
        self.conduct.faults += 1
        if self.conduct.faults == self.limits.faults:
            self._forfeit(f"{self.limits.faults} faults, the last: {what}")

    def _forfeit(self, reason: str) -> None:
        self._asked = False
        self.conduct.forfeit = f"at tick {self._view['tick']}: {reason}"
        if self.child is not None:
            if self.child.last_words:
                self.conduct.forfeit += f"; its last words: {self.child.last_words}"
            self.child.kill()
