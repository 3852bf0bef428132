"""Recorded games of generals.io as files: `.gior` and `.gioreplay`, read with suspicion and written.

A `.gior` is an LZ-string of a JSON array whose places have a meaning (`SLOTS`); a `.gioreplay` is
the same as a JSON object with names. Formats only: what the moves do is the business of `replay.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from strategos.games.generals import lz_string
from strategos.games.generals.record import MAX_PLAYERS

SLOTS = (
    *("version", "id", "mapWidth", "mapHeight", "usernames", "stars", "cities", "cityArmies"),
    *("generals", "mountains", "moves", "afks", "teams", "mapTitle", "neutrals", "neutralArmies"),
    *("swamps", "chat", "playerColors", "lights", "options", "modifiers", "observatories", "lookouts"),
    *("deserts", "playerTransforms", "pings", "generalTrades"),
)
"""The places of a `.gior`; older versions have fewer of them."""
REQUIRED_SLOTS = 12
FOREIGN_RULES = ("swamps", "modifiers", "observatories", "lookouts", "deserts", "generalTrades")
"""What the later site added and these rules do not have; a replay that uses one is refused."""

MAX_FILE_BYTES = 16_000_000
MAX_PACKED_BYTES = 2_000_000  # of a .gior: unpacking takes some fifty times its bytes of memory
MAX_TEXT = 16_000_000
MAX_CELLS = 32767  # a tile number is an int16
MAX_TICK = 100_000  # fourteen hours of play; also bounds the time a hostile file can take
MAX_ARMY = 1_000_000_000


class ReplayError(ValueError):
    """A replay that cannot be read; the message names the field and what was expected."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One recorded game. Tiles are numbered row by row over the board, ticks from 0."""

    version: int
    id: str
    width: int
    height: int
    usernames: tuple[str, ...]
    cities: tuple[int, ...]
    city_armies: tuple[int, ...]
    generals: tuple[int | None, ...]
    """The tile of each player's general; None for a seat that stayed empty."""
    mountains: tuple[int, ...]
    moves: np.ndarray
    """[M, 5] int32 in the order executed: player, source, target, half, tick."""
    afks: np.ndarray
    """[K, 2] int32: player, tick. First a surrender, then the end of the player's land."""
    stars: tuple[int, ...] = ()
    teams: tuple[int, ...] | None = None
    title: str | None = None
    neutrals: tuple[int, ...] = ()
    """Plain tiles that nobody holds and that hold an army of `neutral_armies`."""
    neutral_armies: tuple[int, ...] = ()


class _Move(msgspec.Struct):
    index: int
    start: int
    end: int
    is50: int | bool
    turn: int


class _MoveRow(_Move, array_like=True):
    pass


class _Afk(msgspec.Struct):
    index: int
    turn: int


class _AfkRow(_Afk, array_like=True):
    pass


_MoveForm = TypeVar("_MoveForm", bound=_Move, covariant=True)
_AfkForm = TypeVar("_AfkForm", bound=_Afk, covariant=True)


class _Fields(msgspec.Struct, Generic[_MoveForm, _AfkForm], rename="camel"):
    """The fields as they stand in a file, their types checked and nothing else."""

    version: int
    id: str
    map_width: int
    map_height: int
    usernames: list[str | None]
    cities: list[int]
    city_armies: list[int]
    generals: list[int | None]
    moves: Sequence[_MoveForm]
    mountains: list[int] | None = None
    stars: list[int | None] | None = None
    afks: Sequence[_AfkForm] | None = None
    teams: list[int] | None = None
    map_title: str | None = None
    neutrals: list[int] | None = None
    neutral_armies: list[int] | None = None


def read_replay(path: str | Path) -> Replay:
    """Read a `.gior` or a `.gioreplay`, told apart by what is in it.

    Raises `ReplayError` naming the file, the field and what was expected.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        return parse_replay(data)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}") from error
    except ReplayError as error:
        raise ReplayError(f"{path}: {error}") from error


def parse_replay(data: bytes) -> Replay:
    """The replay in the bytes of a `.gior` or a `.gioreplay`; `ReplayError` for anything else."""
    if len(data) > MAX_FILE_BYTES:
        raise ReplayError(f"the file is larger than {MAX_FILE_BYTES} bytes; expected one recorded game")
    if data.lstrip()[:1] in (b"{", b"["):
        text: bytes | str = data
    elif len(data) > MAX_PACKED_BYTES:
        raise ReplayError(f"the .gior is larger than {MAX_PACKED_BYTES} bytes; expected one recorded game")
    else:
        try:
            text = lz_string.decompress(data, MAX_TEXT)
        except ValueError as error:
            raise ReplayError(f"{error}; expected a .gior or a .gioreplay") from error
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ReplayError(f"bad JSON: {error}; expected a .gior or a .gioreplay") from error
    return _checked(_named(content))


def write_replay(replay: Replay, path: str | Path) -> None:
    """Write a `.gior` or a `.gioreplay`, as the ending of `path` says."""
    path = Path(path)
    if path.suffix not in (".gior", ".gioreplay"):
        raise ReplayError(f"{path}: expected a name that ends in .gior or .gioreplay")
    path.write_bytes(pack_gior(replay) if path.suffix == ".gior" else pack_gioreplay(replay))


def pack_gioreplay(replay: Replay) -> bytes:
    """The bytes of a `.gioreplay`."""
    fields = _file_fields(replay)
    move_names, afk_names = _Move.__struct_fields__, _Afk.__struct_fields__
    fields["moves"] = [dict(zip(move_names, row, strict=True)) for row in fields["moves"]]
    fields["afks"] = [dict(zip(afk_names, row, strict=True)) for row in fields["afks"]]
    return msgspec.json.encode(fields)


def pack_gior(replay: Replay) -> bytes:
    """The bytes of a `.gior`."""
    fields = _file_fields(replay)
    return lz_string.compress(msgspec.json.encode(list(fields.values())).decode())


def _file_fields(replay: Replay) -> dict[str, Any]:
    """The fields under the names and in the order of a file, without the later ones that are empty."""
    fields: dict[str, Any] = {
        "version": replay.version,
        "id": replay.id,
        "mapWidth": replay.width,
        "mapHeight": replay.height,
        "usernames": replay.usernames,
        "stars": replay.stars,
        "cities": replay.cities,
        "cityArmies": replay.city_armies,
        "generals": replay.generals,
        "mountains": replay.mountains,
        "moves": replay.moves.tolist(),
        "afks": replay.afks.tolist(),
        "teams": replay.teams,
    }
    if replay.title is not None or replay.neutrals:
        fields["mapTitle"] = replay.title
    if replay.neutrals:
        fields |= {"neutrals": replay.neutrals, "neutralArmies": replay.neutral_armies}
    return fields


def _named(content: Any) -> _Fields[_Move, _Afk]:
    """The fields by name, whichever of the two forms they came in."""
    form: Any = _Fields[_Move, _Afk]
    if isinstance(content, list):
        if len(content) < REQUIRED_SLOTS:
            missing = SLOTS[len(content)]
            raise ReplayError(f"{missing}: missing; the array has {len(content)} places, expected 12 or more")
        content = dict(zip(SLOTS, content, strict=False))
        form = _Fields[_MoveRow, _AfkRow]
    if not isinstance(content, dict):
        raise ReplayError(f"the replay is a JSON {type(content).__name__}; expected an object or an array")
    for name in FOREIGN_RULES:
        if content.get(name):
            raise ReplayError(f"{name}: this game was played with {name}, which these rules do not have")
    for alias in ("map_title", "map"):
        if isinstance(content.get(alias), str):
            content.setdefault("mapTitle", content[alias])
    try:
        return msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        message, _, place = str(error).replace("`", "").partition(" - at $.")
        message = message[0].lower() + message[1:]
        raise ReplayError(f"{place}: {message}" if place else message) from error


def _checked(fields: _Fields[_Move, _Afk]) -> Replay:
    """The replay, once every field makes sense beside the others."""
    if fields.version < 1:
        raise ReplayError(f"version: {fields.version}; expected 1 or more")
    for name, side in (("mapWidth", fields.map_width), ("mapHeight", fields.map_height)):
        if not 1 <= side <= MAX_CELLS:
            raise ReplayError(f"{name}: {side}; expected 1 to {MAX_CELLS}")
    cells = fields.map_width * fields.map_height
    if cells > MAX_CELLS:
        raise ReplayError(f"mapHeight: a board of {cells} tiles; expected at most {MAX_CELLS}")
    players = len(fields.usernames)
    if not 2 <= players <= MAX_PLAYERS:
        raise ReplayError(f"usernames: {players} players; expected 2 to {MAX_PLAYERS}")
    mountains, neutrals = fields.mountains or [], fields.neutrals or []
    neutral_armies, afks = fields.neutral_armies or [], fields.afks or []
    _check_length("generals", fields.generals, players, "player")
    _check_length("cityArmies", fields.city_armies, len(fields.cities), "city")
    _check_length("neutralArmies", neutral_armies, len(neutrals), "neutral tile")
    taken: dict[int, str] = {}
    _check_tiles("mountains", mountains, cells, taken)
    _check_tiles("cities", fields.cities, cells, taken)
    _check_tiles("generals", fields.generals, cells, taken)
    _check_tiles("neutrals", neutrals, cells, taken)
    for name, armies in (("cityArmies", fields.city_armies), ("neutralArmies", neutral_armies)):
        for place, army in enumerate(armies):
            if not 0 <= army <= MAX_ARMY:
                raise ReplayError(f"{name}[{place}]: {army}; expected 0 to {MAX_ARMY}")
    _check_sides(fields, players)
    return Replay(
        version=fields.version,
        id=fields.id,
        width=fields.map_width,
        height=fields.map_height,
        usernames=tuple(name or "" for name in fields.usernames),
        cities=tuple(fields.cities),
        city_armies=tuple(fields.city_armies),
        generals=tuple(fields.generals),
        mountains=tuple(mountains),
        moves=_moves(fields, players, cells),
        afks=_afks(afks, players),
        stars=tuple(star or 0 for star in fields.stars or ()),
        teams=None if fields.teams is None else tuple(fields.teams),
        title=fields.map_title,
        neutrals=tuple(neutrals),
        neutral_armies=tuple(neutral_armies),
    )


def _check_length(name: str, values: Sequence, expected: int, each: str) -> None:
    if len(values) != expected:
        raise ReplayError(f"{name}: {len(values)} entries; expected {expected}, one for each {each}")


def _check_tiles(name: str, tiles: Sequence, cells: int, taken: dict[int, str]) -> None:
    """Each on the board, and no tile two things at once."""
    for place, tile in enumerate(tiles):
        if tile is None:
            continue
        _check_tile(f"{name}[{place}]", tile, cells)
        if tile in taken:
            raise ReplayError(f"{name}[{place}]: tile {tile} is among the {taken[tile]} already")
        taken[tile] = name


def _check_tile(field: str, tile: int, cells: int) -> None:
    if not 0 <= tile < cells:
        raise ReplayError(f"{field}: tile {tile} is off the board; expected 0 to {cells - 1}")


def _check_sides(fields: _Fields[_Move, _Afk], players: int) -> None:
    """At least two sides that have a general each."""
    teams = list(range(players)) if fields.teams is None else fields.teams
    _check_length("teams", teams, players, "player")
    sides = {team for team, tile in zip(teams, fields.generals, strict=True) if tile is not None}
    if len(sides) < 2:
        name = "generals" if fields.teams is None else "teams"
        raise ReplayError(f"{name}: only one side has a general; expected two or more")


def _moves(fields: _Fields[_Move, _Afk], players: int, cells: int) -> np.ndarray:
    rows: list[tuple[int, ...]] = []
    for place, move in enumerate(fields.moves):
        field = f"moves[{place}]"
        _check_player(field, move.index, players)
        _check_tile(f"{field}.start", move.start, cells)
        _check_tile(f"{field}.end", move.end, cells)
        (row, column), (to_row, to_column) = (
            divmod(move.start, fields.map_width),
            divmod(move.end, fields.map_width),
        )
        if abs(row - to_row) + abs(column - to_column) != 1:
            raise ReplayError(
                f"{field}.end: tile {move.end} is not beside {move.start}; expected a neighbour"
            )
        if move.is50 not in (0, 1):
            raise ReplayError(f"{field}.is50: {move.is50}; expected 0 or 1")
        _check_tick(field, move.turn, rows[-1][4] if rows else 0)
        rows.append((move.index, move.start, move.end, int(move.is50), move.turn))
    return _table(rows, 5)


def _afks(afks: Sequence[_Afk], players: int) -> np.ndarray:
    rows: list[tuple[int, ...]] = []
    for place, afk in enumerate(afks):
        _check_player(f"afks[{place}]", afk.index, players)
        _check_tick(f"afks[{place}]", afk.turn, rows[-1][1] if rows else 0)
        rows.append((afk.index, afk.turn))
    return _table(rows, 2)


def _check_player(field: str, player: int, players: int) -> None:
    if not 0 <= player < players:
        raise ReplayError(f"{field}.index: no player {player}; expected 0 to {players - 1}")


def _check_tick(field: str, tick: int, earliest: int) -> None:
    if not earliest <= tick <= MAX_TICK:
        raise ReplayError(f"{field}.turn: tick {tick}; expected {earliest} to {MAX_TICK}, in ascending order")


def _table(rows: list, columns: int) -> np.ndarray:
    table = np.array(rows, dtype=np.int32).reshape(-1, columns)
    table.flags.writeable = False
    return table
