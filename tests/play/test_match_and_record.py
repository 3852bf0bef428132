"""Matches are fair, complete and repeatable; records replay to the same bytes or say what is wrong."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strategos.games.generals.game import Generals
from strategos.games.kuhn.game import Kuhn
from strategos.games.rng import derive
from strategos.play import record as records
from strategos.play.bots import ExpanderBot, HunterBot, RandomBot
from strategos.play.match import play_match
from strategos.play.record import RecordError

GAME = Generals(8, 8, 2)
LIMIT = 90


class Refused:
    """Plays an id that no game has."""

    name = "refused"

    def act(self, views, masks, memories, rng):
        return np.full(len(views), 1 << 20, np.int32)


class BettingBot:
    name = "betting"

    def act(self, views, masks, memories, rng):
        assert masks.any(axis=1).all(), "a seat that is not to move was asked"
        return np.ones(len(views), np.int32)


class FoldingBot:
    name = "folding"

    def act(self, views, masks, memories, rng):
        return np.zeros(len(views), np.int32)


@pytest.fixture(scope="module")
def match():
    return play_match(
        GAME, [HunterBot(), RandomBot()], num_games=24, seed=3, tick_limit=LIMIT, record=True, batch_size=10
    )


def test_every_game_is_counted_once(match):
    assert len(match.games) == 24
    assert (match.wins + match.draws + match.losses == 24).all()
    assert match.wins[0] == match.losses[1] and match.draws[0] == match.draws[1]
    assert match.paired.shape == (2, 5) and (match.paired.sum(axis=1) == 12).all()
    half_points = 2 * match.wins + match.draws
    assert (match.paired @ np.arange(5) == half_points).all()
    assert (match.paired[0] == match.paired[1][::-1]).all()
    assert match.wins[0] > 0 and match.illegal.sum() == 0
    low, high = match.win_interval(0)
    assert low < match.wins[0] / 24 < high
    assert match.result().points == match.wins[0] + match.draws[0] / 2


def test_the_tick_limit_is_a_draw(match):
    cut = [game for game in match.games if game.truncated]
    assert cut and all(game.length == LIMIT and game.returns == (0.0, 0.0) for game in cut)
    assert all(game.length <= LIMIT and any(game.returns) for game in match.games if not game.truncated)
    assert len(cut) == match.draws[0]


def test_pairs_share_a_board_and_rotate_the_seats(match):
    for first, second in zip(match.games[::2], match.games[1::2], strict=True):
        assert first.seed == second.seed
        assert (first.seats, second.seats) == ((0, 1), (1, 0))
    assert len({game.seed for game in match.games}) == 12
    single = play_match(GAME, [RandomBot(), RandomBot()], num_games=5, seed=3, tick_limit=5, paired=False)
    assert len({game.seed for game in single.games}) == 5 and single.paired is None
    assert [game.seats for game in single.games[:3]] == [(0, 1), (1, 0), (0, 1)]


def test_same_seed_same_match_on_any_number_of_threads(match):
    again = play_match(
        GAME,
        [HunterBot(), RandomBot()],
        num_games=24,
        seed=3,
        tick_limit=LIMIT,
        record=True,
        batch_size=10,
        threads=1,
    )
    other = play_match(GAME, [HunterBot(), RandomBot()], num_games=24, seed=4, tick_limit=LIMIT, record=True)
    assert [game.final_hash for game in again.games] == [game.final_hash for game in match.games]
    assert {game.final_hash for game in other.games}.isdisjoint(game.final_hash for game in match.games)


def test_four_players_sit_on_every_seat():
    game = Generals(9, 8, 4, teams=(0, 1, 0, 1))
    policies = [ExpanderBot(), HunterBot(), RandomBot(), RandomBot()]
    match = play_match(game, policies, num_games=8, seed=1, tick_limit=150)
    for rotation in range(4):
        assert match.games[rotation].seats == tuple((seat + rotation) % 4 for seat in range(4))
    assert match.paired.shape == (4, 9) and (match.paired.sum(axis=1) == 2).all()
    with pytest.raises(ValueError, match="had 4"):
        match.result()


def test_what_the_game_refuses_is_counted_for_who_played_it():
    match = play_match(GAME, [RandomBot(), Refused()], num_games=4, seed=1, tick_limit=10)
    assert match.illegal.tolist() == [0, 40]
    assert match.misconduct == ("refused: 0 faults, 40 illegal moves, 0 of 4 games forfeited",)


def test_kuhn_asks_only_the_player_to_move():
    match = play_match(Kuhn(), [BettingBot(), FoldingBot()], num_games=40, seed=2, tick_limit=0, record=True)
    assert match.wins.tolist() == [40, 0]  # who always folds to a bet wins nothing
    for game in records.match_records(Kuhn(), match):
        records.verify(game)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_games": 5}, "take 6"),
        ({"num_games": 0}, "at least 1 game"),
        ({"policies": [RandomBot()]}, "2 seats and 1 policies"),
        ({"tick_limit": 0}, "give the match a tick_limit"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_impossible_matches_are_refused(change, message):
    options = {"policies": [RandomBot(), RandomBot()], "num_games": 4, "seed": 1, "tick_limit": 9} | change
    with pytest.raises(ValueError, match=message):
        play_match(GAME, **options)


@pytest.fixture
def played(match):
    return records.match_records(GAME, match)


def test_records_survive_the_disk_and_replay(tmp_path, played):
    path = records.write_records(tmp_path, played)
    back = records.read_records(path)
    assert len(back) == 24
    for written, found in zip(played, back, strict=True):
        assert np.array_equal(written.actions, found.actions) and found.actions.dtype == np.int32
        for field in ("game", "ruleset", "version", "seed", "players", "returns", "truncated", "final_hash"):
            assert getattr(written, field) == getattr(found, field)
        records.verify(found)
    states = list(records.replay(back[0]))
    assert len(states) == back[0].ticks + 1
    assert [int(state["tick"][0]) for state in states[:3]] == [0, 1, 2]


def test_index_finds_games_and_can_be_made_anew(tmp_path, played):
    records.write_records(tmp_path, played[:5])
    second = records.write_records(tmp_path, [dataclasses.replace(played[5], players=("anna", "random"))])
    for _ in range(2):
        assert len(records.find_records(tmp_path, player="hunter")) == 5
        (entry,) = records.find_records(tmp_path, player="anna")
        assert (entry.file, entry.row, entry.seed) == (second.name, 0, played[5].seed)
        assert entry.returns == played[5].returns and entry.truncated is played[5].truncated
        assert records.read_records(tmp_path / entry.file)[entry.row].final_hash == entry.final_hash
        assert records.find_records(tmp_path, player="nobody") == []
        (tmp_path / records.INDEX_NAME).unlink()
    assert len(records.find_records(tmp_path)) == 6
    second.unlink()
    assert len(records.find_records(tmp_path)) == 5, "a file that is gone is not listed"
    (tmp_path / records.INDEX_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(RecordError, match="delete it"):
        records.find_records(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="empty holds no files of recorded games"):
        records.find_records(tmp_path / "empty")
    assert not (tmp_path / "empty" / records.INDEX_NAME).exists()


def test_a_number_that_is_taken_is_refused_and_leaves_nothing(tmp_path, played):
    path = records.write_records(tmp_path, played[:1], number=7)
    whole = path.read_bytes()
    with pytest.raises(FileExistsError):
        records.write_records(tmp_path, played[1:2], number=7)
    assert path.read_bytes() == whole and not list(tmp_path.glob("*.unfinished"))


def test_the_first_thing_that_is_wrong_is_named(played):
    won = next(record for record in played if not record.truncated)
    cut = next(record for record in played if record.truncated)
    passes = np.full((3, 2), GAME.pass_action, np.int32)
    half = played[0].ticks // 2
    changed = cut.actions.copy()
    changed[half:] = GAME.pass_action
    wrong = [
        (dataclasses.replace(won, game="chess"), "no game 'chess'"),
        (dataclasses.replace(won, options={"height": 1, "width": 6}), "cannot be built"),
        (dataclasses.replace(won, actions=won.actions[:, :1]), r"expected \[ticks, 2\]"),
        (dataclasses.replace(won, players=("hunter",)), "1 players are recorded for 2 seats"),
        (dataclasses.replace(won, actions=np.vstack([won.actions, passes])), f"ends after {won.ticks} ticks"),
        (dataclasses.replace(won, actions=won.actions[:-1]), "still running"),
        (dataclasses.replace(won, truncated=True), "is over"),
        (dataclasses.replace(won, returns=won.returns[::-1]), "recorded result"),
        (dataclasses.replace(cut, actions=changed), "final state differs"),
        (dataclasses.replace(cut, final_hash="0" * 64, version="0.0.1"), "recorded by version 0.0.1"),
        (dataclasses.replace(cut, seed=derive(cut.seed, 1)), "still running|differs|over"),
    ]
    for record, message in wrong:
        with pytest.raises(RecordError, match=message):
            records.verify(record)


def test_damaged_files_get_one_clear_error(tmp_path, played):
    path = records.write_records(tmp_path, played)
    whole = path.read_bytes()
    with pytest.raises(RecordError, match="no file of games"):
        records.read_records(tmp_path / "games-000009.parquet")
    for broken in (b"", b"nonsense", whole[: len(whole) // 2], whole[:-1] + b"X"):
        path.write_bytes(broken)
        with pytest.raises(RecordError, match="damaged"):
            records.read_records(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RecordError, match="holds no games"):
        records.read_records(path)
    path.write_bytes(whole)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("seed"), path)
    with pytest.raises(RecordError, match="column 'seed' is missing"):
        records.read_records(path)
    ticks = pa.array([1] * len(table), pa.int32())
    pq.write_table(table.set_column(table.schema.get_field_index("ticks"), "ticks", ticks), path)
    with pytest.raises(RecordError, match=r"game 0: .* expected 1 ticks of 2 players"):
        records.read_records(path)
    for name in ("players", "actions", "returns"):
        rows = table[name].to_pylist()
        rows[1][0] = None
        column = table.schema.get_field_index(name)
        pq.write_table(table.set_column(column, name, pa.array(rows, table.schema.field(name).type)), path)
        with pytest.raises(RecordError, match=f"game 1: '{name}' is empty, or something in it"):
            records.read_records(path)


def test_bytes_changed_inside_a_file_never_pass_for_the_same_games(tmp_path, played):
    path = records.write_records(tmp_path, played[:2])
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = whole.copy()
        broken[int(rng.integers(len(broken)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            found = records.read_records(path)
        except RecordError:
            refused += 1
        else:
            for record, written in zip(found, played, strict=False):
                assert np.array_equal(record.actions, written.actions)
                for field in ("seed", "players", "returns", "truncated", "final_hash"):
                    assert getattr(record, field) == getattr(written, field)
    assert refused > 20  # the others hit names and statistics that nobody reads


def test_nothing_to_write_is_refused(tmp_path, match):
    with pytest.raises(ValueError, match="no records"):
        records.write_records(tmp_path, [])
    bare = play_match(GAME, [RandomBot(), RandomBot()], num_games=2, seed=1, tick_limit=3)
    with pytest.raises(ValueError, match="record=True"):
        records.match_records(GAME, bare)
