"""Programs as players: good ones play as if they were at home, and no bad one ever stops a match."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from strategos.games.generals.game import Generals
from strategos.games.generals.record import view_dtype
from strategos.games.generals.replay import play_replay, replay_of_game
from strategos.games.kuhn.game import Kuhn
from strategos.games.spec import LEAVE
from strategos.play import record as records
from strategos.play.agents import game_of, load_policy
from strategos.play.bots import ExpanderBot, RandomBot
from strategos.play.child_process import can_cut_network
from strategos.play.match import play_match
from strategos.play.policy import Conduct, PolicyError
from strategos.play.program import Limits, Program, ProgramSession

GAME = Generals(8, 8, 2)
PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
PATIENT = Limits(move_s=60, first_move_s=60, end_s=20)
"""For programs that are fast, on a machine that may be busy."""
HASTY = Limits(move_s=0.05, first_move_s=30, faults=5, end_s=0.2)
"""For programs that never answer in time."""

READ = """
import os, signal, sys, time
def frame():
    lines = [sys.stdin.buffer.readline() for _ in range(1 + 3 * height)]
    return int(lines[0].split()[0]) if lines[0] else sys.exit()
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
me, height, width = map(int, sys.stdin.buffer.readline().split())
"""
"""What the programs of these tests begin with."""


@pytest.fixture
def program(tmp_path):
    """Write a Python program and give the player that it is."""

    def write(body: str, limits: Limits = PATIENT, name: str = "bot.py") -> Program:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable} -SI\n{READ}{body}")
        path.chmod(0o755)
        player = load_policy(path, limits=limits)
        assert isinstance(player, Program)
        return player

    return write


def look(tick: int, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A view and a mask [1] in which every move of the board is legal."""
    views = np.zeros(1, view_dtype(side * side, 2))
    views["tick"], views["height"], views["width"], views["stride"] = tick, side, side, side
    masks = np.full((1, side * side + 1), 255, np.uint8)
    masks[:, -1] = 1
    return views, masks


def play(player: Program, ticks: int, side: int = 8) -> tuple[list[int], Conduct, ProgramSession]:
    """The program alone at one game of so many ticks, or until it forfeits."""
    session = player.begin()
    actions = []
    for tick in range(ticks):
        views, masks = look(tick, side)
        actions += session.act(np.zeros(1, np.int64), views, masks, None, np.random.default_rng(0)).tolist()
        if session.conduct(0).forfeit is not None:
            break
    session.close()
    return actions, session.conduct(0), session


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def eventually(condition) -> bool:
    """Whether something becomes true before the test's own time is over; it decides no result."""
    while not condition():
        time.sleep(0.01)
    return True


def example() -> str:
    """The program on the page about programs."""
    return PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]


class AtHome:
    """The page's program as a policy: its own function, on a view instead of a frame."""

    name = "at home"

    def __init__(self) -> None:
        code = example().partition("\nme, ")[0]
        self.names: dict = {}
        exec(compile(code, str(PAGE), "exec"), self.names)

    def act(self, views, masks, memories, rng):
        return np.array([self._one(view) for view in views], np.int32)

    def _one(self, view) -> int:
        tick, height, width, me = (int(view[field]) for field in ("tick", "height", "width", "me"))
        terrain, owner, army = (
            view[field].reshape(height, width).tolist() for field in ("terrain", "owner", "army")
        )
        owner = [[0 if each < 0 else 1 if each == me else 2 for each in row] for row in owner]
        answer = self.names["choose"](tick, height, width, terrain, owner, army)
        kind, row, column, direction, half = map(int, answer.split())
        return GAME.pass_action if kind == 1 else (row * width + column) * 8 + direction * 2 + half


@pytest.fixture(scope="module")
def example_match(tmp_path_factory):
    path = tmp_path_factory.mktemp("example") / "bot.py"
    path.write_text(example())
    path.chmod(0o755)
    player = load_policy(f"cmd:{sys.executable} {path}", limits=PATIENT)
    return play_match(
        GAME, [player, RandomBot()], num_games=4, seed=3, tick_limit=120, record=True, batch_size=1
    )


def test_the_program_of_the_page_plays_as_it_would_at_home(example_match):
    home = play_match(
        GAME, [AtHome(), RandomBot()], num_games=4, seed=3, tick_limit=120, record=True, batch_size=1
    )
    assert [game.final_hash for game in example_match.games] == [game.final_hash for game in home.games]
    assert example_match.faults.sum() == example_match.forfeits.sum() == example_match.illegal.sum() == 0
    assert example_match.misconduct == ()


def test_the_program_of_the_page_is_better_than_random():
    match = play_match(GAME, [AtHome(), RandomBot()], num_games=16, seed=3, tick_limit=300)
    assert match.wins[0] >= 8 and match.wins[1] == 0


NEVER_ANSWERS = {
    "sleeps": "time.sleep(1000)",
    "sleeps through SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)",
    "reads and says nothing": "while True: frame()",
    "never ends its line": "while True: frame(); say('0 0 0 3 0')",
    "one endless line": "while True: say('0' * 100_000)",
    "an endless line in another script": "while True: os.write(1, '\\u0663'.encode() * 50_000)",
    "messages without end": "while True: os.write(2, b'debug ' * 10_000)",
}


@pytest.mark.parametrize("case", NEVER_ANSWERS)
def test_k12_who_never_answers_forfeits_after_so_many_faults(case, program):
    limits = Limits(move_s=0.05, first_move_s=0.3, faults=5, end_s=0.2)
    actions, conduct, _ = play(program(NEVER_ANSWERS[case], limits), 20)
    assert actions == [512] * 5 and conduct.faults == 5
    assert conduct.forfeit == "at tick 4: 5 faults, the last: no answer in time" or (
        case == "messages without end" and "debug" in conduct.forfeit
    )


MALFORMED = {
    "words": "while True: frame(); say('up\\n')",
    "too few numbers": "while True: frame(); say('0 0 0 3\\n')",
    "a long line": "while True: frame(); say('0 0 0 3 0' + ' ' * 300 + '\\n')",
    "bytes that are no text": "while True: frame(); os.write(1, bytes(range(128, 256)) + b'\\n')",
    "a number of 5,000 digits": "while True: frame(); say('0 0 0 3 ' + '9' * 5000 + '\\n')",
    "empty lines": "while True: frame(); say('\\n')",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_answer_is_a_pass_and_a_fault(case, program):
    limits = Limits(move_s=60, first_move_s=60, faults=5, end_s=0.2)
    actions, conduct, _ = play(program(MALFORMED[case], limits), 20)
    assert actions == [512] * 5 and conduct.faults == 5
    assert conduct.forfeit.startswith("at tick 4: 5 faults, the last: expected an answer of kind row col dir")


def test_a_flood_of_answers_is_soon_over(program):
    limits = Limits(move_s=60, first_move_s=60, faults=50, end_s=0.2)
    _, conduct, _ = play(program("while True: say('0 0 0 3 0\\n' * 1000)", limits), 60)
    assert conduct.faults == 50 and conduct.forfeit.endswith("a line that no frame had asked for")


ENDS = {
    "exit code": ("sys.exit(7)", "ended by itself with exit code 7"),
    "error": ("1 / 0", "its last words: ZeroDivisionError"),
    "signal": ("os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
    "closed output": ("os.close(1); time.sleep(1000)", "closed its output"),
    "half a line": ("say('0 0 0'); sys.exit(3)", "ended by itself with exit code 3"),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_program_that_ends_forfeits_and_says_how(case, program):
    body, reason = ENDS[case]
    actions, conduct, _ = play(program("frame(); say('0 0 0 3 0\\n'); frame(); " + body), 20)
    assert actions == [6, 512] and conduct.faults == 0
    assert conduct.forfeit.startswith("at tick 1: ") and reason in conduct.forfeit


def test_nobody_waits_for_how_another_program_ended(program, monkeypatch):
    """One of two closes its output and runs on: only when the other has answered is its end waited for."""
    body = """
try: os.mkdir("first")
except OSError:
    while not os.path.exists("closed"): time.sleep(0.01)
    time.sleep(0.3)
    frame(); say("0 0 0 3 0\\n"); time.sleep(1000)
os.close(1); open("closed", "w").close(); time.sleep(1000)
"""
    session = program(body, Limits(move_s=60, first_move_s=60, end_s=0.2)).begin()
    waits = []

    def wait(process, timeout=None, real=subprocess.Popen.wait):
        waits.append([seat.settled() for seat in session._seats.values()])
        return real(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    views, masks = (np.repeat(each, 2, axis=0) for each in look(0))
    actions = session.act(np.arange(2), views, masks, None, np.random.default_rng(0))
    assert sorted(actions.tolist()) == [6, 512] and waits[0] == [True, True]
    session.close()
    told = {session.conduct(game).forfeit for game in range(2)}
    assert told == {None, "at tick 0: closed its output"}


def test_a_closed_input_is_an_end_too(program):
    body = "frame(); os.close(0); say('0 0 0 3 0\\n'); time.sleep(1000)"
    _, conduct, _ = play(program(body), 20)
    assert conduct.forfeit in ("at tick 1: closed its input", "at tick 0: closed its input")


def test_who_ends_but_leaves_children_behind_has_ended(program):
    body = "frame(); say('0 0 0 3 0\\n'); frame()\nif os.fork(): os._exit(5)\ntime.sleep(1000)"
    _, conduct, _ = play(program(body, Limits(move_s=2, first_move_s=30, end_s=0.2)), 20)
    assert conduct.forfeit == "at tick 1: ended by itself with exit code 5"


def test_k12_its_children_die_with_a_program(program, tmp_path):
    body = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    open({str(tmp_path / "child")!r}, "w").write(str(os.getpid()))
    time.sleep(1000)
while not os.path.exists({str(tmp_path / "child")!r}) or not open({str(tmp_path / "child")!r}).read(): pass
while True: frame(); say('0 0 0 3 0\\n')
"""
    actions, conduct, _ = play(program(body), 3)
    assert actions == [6, 6, 6] and conduct == Conduct()
    child = int((tmp_path / "child").read_text())
    assert eventually(lambda: not is_running(child))


def test_a_program_has_time_to_say_goodbye(program, tmp_path):
    body = f"""
for _ in range(3): frame(); say('0 0 0 3 0\\n')
assert sys.stdin.read() == ""
print("x" * 1_000_000, file=sys.stderr)
open({str(tmp_path / "goodbye")!r}, "w").write("done")
"""
    _, conduct, _ = play(program(body), 3)
    assert conduct == Conduct() and (tmp_path / "goodbye").read_text() == "done"


def test_k12_who_does_not_end_is_killed(program, tmp_path):
    body = f"""
open({str(tmp_path / "me")!r}, "w").write(str(os.getpid()))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
frame(); say('0 0 0 3 0\\n')
while True: time.sleep(1)
"""
    play(program(body, HASTY), 1)
    assert not is_running(int((tmp_path / "me").read_text()))


def test_a_program_that_never_reads_does_not_hold_us_up(program):
    limits = Limits(move_s=0.005, first_move_s=0.1, faults=40, end_s=0.1)
    _, conduct, _ = play(program("time.sleep(1000)", limits), 60, side=40)
    assert conduct.faults == 40  # forty frames of 9.7 kB do not fit in a pipe


def test_a_late_answer_is_never_taken_for_a_later_one(program):
    """At tick t the program moves from tile (0, t). Tick 2 it answers only when it has seen tick 4, with
    the answers to 3 and 4; tick 5 only after half of the line was said."""
    body = """
owed = ""
while True:
    tick = frame()
    owed += f"0 0 {tick} 3 0\\n"
    if tick in (2, 3): continue
    say(owed); owed = ""
"""
    limits = Limits(move_s=3, first_move_s=30, end_s=1)
    actions, conduct, _ = play(program(body, limits), 7)
    assert actions[2:4] == [512, 512]
    assert all(action in (tick * 8 + 6, 512) for tick, action in enumerate(actions))
    assert actions[4] == 4 * 8 + 6 and actions[6] == 6 * 8 + 6 and conduct.faults == 2


def test_an_answer_before_its_frame_is_a_fault_and_is_not_played(program):
    body = """
frame(); say("0 0 0 3 0\\n0 0 1 3 0\\n0 0")
open("said", "w").close()
while True: tick = frame(); say(f" 5 3 0\\n0 0 {tick} 3 0\\n" if tick == 1 else f"0 0 {tick} 3 0\\n")
"""
    player = program(body)
    session = player.begin()
    actions = []
    for tick in range(4):
        views, masks = look(tick)
        actions += session.act(np.zeros(1, np.int64), views, masks, None, np.random.default_rng(0)).tolist()
        assert eventually((player.folder / "said").exists)
    session.close()
    assert actions == [6, 14, 22, 30] and session.conduct(0) == Conduct(faults=2)


def test_an_illegal_move_is_a_pass_and_no_fault(program):
    body = """
for line in ("0 0 0 0 0", "0 99 0 0 0", "0 -1 0 0 0", "2 0 0 0 0", "1 0 0 0 0"): frame(); say(line + "\\n")
"""
    session = program(body).begin()
    actions = []
    for tick in range(5):
        views, masks = look(tick)
        masks[:, :-1] = 0b11111100  # nobody may go up
        actions += session.act(np.zeros(1, np.int64), views, masks, None, np.random.default_rng(0)).tolist()
    session.close()
    assert actions == [512] * 5
    assert session.conduct(0) == Conduct(illegal=3)  # where nothing can be built, a build at (0, 0) is a pass


def test_builds_where_the_ruleset_has_them(program):
    session = program("while True: frame(); say('2 1 2 0 0\\n')").begin()
    views, _ = look(0)
    mask = np.zeros(64 * 9 + 1, np.uint8)
    mask[[64 * 8 + 10, 64 * 9]] = 1
    packed = np.packbits(mask, bitorder="little")[None]
    assert session.act(np.zeros(1, np.int64), views, packed, None, np.random.default_rng(0)) == [522]
    packed[0, 64 + 1] = 0
    assert session.act(np.zeros(1, np.int64), views, packed, None, np.random.default_rng(0)) == [576]
    session.close()
    assert session.conduct(0) == Conduct(illegal=1)


def test_k12_memory_is_limited(program):
    limits = Limits(move_s=60, first_move_s=60, memory_bytes=200 << 20)
    _, conduct, _ = play(program("frame(); hoard = bytearray(400 << 20); say('1 0 0 0 0\\n')", limits), 1)
    assert "MemoryError" in conduct.forfeit


def test_what_cannot_be_started_forfeits(tmp_path):
    path = tmp_path / "bot"
    path.write_text("no program")
    path.chmod(0o755)
    _, conduct, _ = play(load_policy(f"cmd:{path}"), 3)
    assert conduct.forfeit == "at tick 0: could not be started: Exec format error"


def test_k12_only_a_command_line_of_the_users_own_has_a_network(program):
    if not can_cut_network():
        pytest.skip("this system lets nobody make a namespace of the network")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fenced = program(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); frame()")
        _, conduct, _ = play(fenced, 1)
        assert "unreachable" in conduct.forfeit or "refused" in conduct.forfeit
        free = load_policy(f"cmd:{fenced.command[0]}")
        _, conduct, _ = play(free, 1)
        listener.settimeout(30)
        listener.accept()[0].close()
        assert "exit code 0" in conduct.forfeit


class Quitter:
    """A policy with sessions that passes and forfeits every game at a tick, on whatever seat."""

    name = "quitter"
    games_at_once = 3

    def __init__(self, tick: int) -> None:
        self.tick, self.games, self.finished = tick, [], []

    def begin(self):
        self.conducts: dict[int, Conduct] = {}
        return self

    def act(self, games, views, masks, memories, rng):
        self.games.append(len(games))
        for game, view in zip(games.tolist(), views, strict=True):
            conduct = self.conducts.setdefault(game, Conduct())
            if view["tick"] >= self.tick:
                conduct.forfeit = "enough"
        return np.full(len(games), 8 * views.dtype["owner"].shape[0], np.int32)

    def conduct(self, game):
        return self.conducts.get(game, Conduct())

    def finish(self, games):
        self.finished += games.tolist()

    def close(self):
        pass


def test_who_forfeits_has_lost_and_the_record_replays():
    quitter = Quitter(5)
    match = play_match(GAME, [quitter, RandomBot()], num_games=8, seed=1, tick_limit=40, record=True)
    assert match.losses.tolist() == [8, 0] and match.forfeits.tolist() == [8, 0]
    assert match.illegal.tolist() == [0, 0] and max(quitter.games) == 3
    assert sorted(quitter.finished) == [0, 0, 0, 1, 1, 1, 2, 2]
    assert match.misconduct == ("quitter: 0 faults, 0 illegal moves, 8 of 8 games forfeited (enough)",)
    for game, record in zip(match.games, records.match_records(GAME, match), strict=True):
        assert (record.actions == LEAVE).sum() == 1 and record.actions[5, game.seats.index(0)] == LEAVE
        assert not game.truncated and game.length == 6
        records.verify(record)
        replay = replay_of_game(next(records.replay(record))[0], record.actions)
        *_, (_, last) = play_replay(replay)
        assert last["over"] and last["winner"] == game.seats.index(1)


def test_two_who_forfeit_at_once_share_a_pair_of_boards():
    match = play_match(GAME, [Quitter(2), Quitter(2)], num_games=8, seed=1, tick_limit=40)
    assert match.wins.tolist() == match.losses.tolist() == [4, 4]
    assert match.forfeits.tolist() == [8, 8]


def test_the_others_go_on_when_one_of_four_forfeits():
    game = Generals(10, 10, 4, teams=(0, 1, 0, 1))
    policies = [Quitter(3), ExpanderBot(), RandomBot(), RandomBot()]
    match = play_match(game, policies, num_games=4, seed=1, tick_limit=30, record=True)
    assert match.forfeits.tolist() == [4, 0, 0, 0] and match.draws.tolist() == [4, 4, 4, 4]
    assert match.illegal.sum() == 0
    for played, record in zip(match.games, records.match_records(game, match), strict=True):
        assert np.argwhere(record.actions == LEAVE).tolist() == [[3, played.seats.index(0)]]
        assert record.ticks == 30
        records.verify(record)


def test_no_policy_can_leave_by_an_action():
    class Minus:
        name = "minus"

        def act(self, views, masks, memories, rng):
            return np.full(len(views), -1, np.int32)

    match = play_match(GAME, [Minus(), RandomBot()], num_games=2, seed=1, tick_limit=4, record=True)
    assert match.draws.tolist() == [2, 2] and match.illegal.tolist() == [8, 0]
    for record in records.match_records(GAME, match):
        records.verify(record)


def test_a_game_that_cannot_be_left_says_so():
    with pytest.raises(ValueError, match="kuhn cannot be left"):
        play_match(Kuhn(), [Quits(), RandomBot()], num_games=2, seed=1, tick_limit=0)
    match = play_match(Kuhn(), [RandomBot(), RandomBot()], num_games=2, seed=1, tick_limit=0, record=True)
    record = records.match_records(Kuhn(), match)[0]
    record.actions[0, 0] = LEAVE
    with pytest.raises(records.RecordError, match="seat 0 leaves at tick 0, but a game of kuhn"):
        records.verify(record)


class Quits(Quitter):
    """Forfeits at once, at any game."""

    def __init__(self) -> None:
        super().__init__(0)

    def act(self, games, views, masks, memories, rng):
        self.conducts.update({game: Conduct(forfeit="no") for game in games.tolist()})
        return np.zeros(len(games), np.int32)


def test_alone_a_program_plays_one_game_after_the_other(program):
    player = program("while True: tick = frame(); say(f'0 0 {tick} 3 0\\n')")
    rng = np.random.default_rng(0)
    for tick in (0, 1, 2, 0, 1):
        assert player.act(*look(tick), None, rng) == [tick * 8 + 6]
    player.close()
    with pytest.raises(ValueError, match="one game at a time, not 2"):
        player.act(np.repeat(look(0)[0], 2), np.repeat(look(0)[1], 2, 0), None, rng)
    with pytest.raises(ValueError, match="two players and no other game"):
        player.begin().act(np.zeros(1, np.int64), np.zeros(1, [("card", "i1")]), look(0)[1], None, rng)


def test_a_program_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "mine" / "run.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nexec true\n")
    with pytest.raises(PolicyError, match=r"chmod \+x .*cmd:python3"):
        load_policy("mine")
    script.chmod(0o755)
    for name, command in (
        ("mine", [str(script)]),
        ("mine/run.sh", [str(script)]),
        ("cmd:true -x", ["true", "-x"]),
    ):
        player = load_policy(name)
        assert isinstance(player, Program) and list(player.command) == command
        assert game_of(name) == "generals"
    assert load_policy("mine").folder == script.parent and load_policy("cmd:true").folder == tmp_path
    assert (load_policy("mine").name, load_policy("cmd:true -x").name) == ("mine", "true -x")
    for name, message in (
        ("cmd:", "a command line"),
        ("cmd:no-such-program", "no program 'no-such-program'"),
        ("cmd:a 'b", "cannot be read"),
        ("./none.py", "no player './none.py'"),
    ):
        with pytest.raises(PolicyError, match=message):
            load_policy(name)
