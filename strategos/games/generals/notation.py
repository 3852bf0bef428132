"""Generals as text: every position prints, and what is printed parses back to the same bytes.

A position is a few `key: value` lines and a picture of the board, one token a tile:

    .  .7         plain, empty or held by 7 neutral armies
    #             mountain
    ^40           neutral city
    A5  A5^  A5!  player A's plain tile, city, general with 5 armies (players A to P)
    ?  %          in a view only: fog, and an obstacle (mountain or city) in fog

The short form is enough to set up a position; whatever is left out has its default:

>>> print(format_state(parse_state('''
...     tick: 7
...     A5!  .   #
...     A2   ^9  B3!
... ''')))
rules: generalsio
players: 2
tick: 7
<BLANKLINE>
A5!  .   #
A2   ^9  B3!

The keys, with their defaults:

    rules        ruleset and the flags that differ from it: `classic cities_regrow=1` (generalsio)
    players      number of seats (as many as the picture shows, at least 2)
    tick         (0)
    stream       key and number of draws of the random stream (0 0)
    padded       rows x columns of the padded board: `20x22` (the size of the picture)
    teams        one team number per player: `0 0 1 1` (each player alone)
    dead         letters in the order of death (nobody)
    surrendered  those of the dead whose land still stands (nobody)
    unseen       cities founded in the game that some have not seen: `3,4 AB; 7,0 C`, by row and column
    over         `team 1`, the winner, or `draw` (the game runs)

Text only: no rules, no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from strategos.games.generals.record import (
    ALIVE,
    CITY,
    DEAD,
    FOG,
    GENERAL,
    MAX_PLAYERS,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    PLAIN,
    RULES_DTYPE,
    RULESETS,
    SURRENDERED,
    ruleset,
    state_dtype,
)
from strategos.games.generals.tiles import index_ways

LETTERS = "ABCDEFGHIJKLMNOP"
MAX_CELLS = 32767  # a tile number is an int16
_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_FLAGS = [name for name in RULES_DTYPE.names or () if name != "pad"]
_SIGNS = {PLAIN: "", CITY: "^", GENERAL: "!"}
_TOKEN = re.compile(
    r"(?P<letter>[A-P])(?P<owned>\d{1,10})(?P<sign>[!^]?)|\^(?P<city>\d{1,10})|\.(?P<plain>\d{0,10})|#",
    re.ASCII,
)
_TOKEN_HELP = "one of  .  .7  #  ^40  A5  A5^  A5!"
_HEADER = re.compile(r"\s*(\w+):")
_KEYS = ("rules", "players", "tick", "stream", "padded", "teams", "dead", "surrendered", "unseen", "over")


class _Word(NamedTuple):
    """A piece of the text with its place, both counted from 1."""

    line: int
    column: int
    text: str


_Header = dict[str, _Word]


def format_state(state: np.record) -> str:
    """The whole state as text; `parse_state` gives the same bytes back. No newline at the end."""
    lines = [f"rules: {_rules_text(state['rules'])}"]
    lines += [f"players: {len(state['team'])}", f"tick: {state['tick']}"]
    height, width, stride = int(state["height"]), int(state["width"]), int(state["stride"])
    rows = len(state["owner"]) // stride
    if state["key"] or state["draws"]:
        lines.append(f"stream: {state['key']} {state['draws']}")
    if (rows, stride) != (height, width):
        lines.append(f"padded: {rows}x{stride}")
    if any(team != player for player, team in enumerate(state["team"])):
        lines.append("teams: " + " ".join(map(str, state["team"])))
    dead = sorted((order, player) for player, order in enumerate(state["death"]) if order)
    if dead:
        lines.append("dead: " + "".join(LETTERS[player] for _, player in dead))
    surrendered = _players_text(state["status"] == SURRENDERED)
    if surrendered:
        lines.append(f"surrendered: {surrendered}")
    unseen = []
    for slot in np.flatnonzero(state["disguise"]):
        row, column = divmod(int(state["city"][slot]), stride)
        bits = int(state["disguise"][slot])
        unseen.append(f"{row},{column} " + "".join(LETTERS[p] for p in range(MAX_PLAYERS) if bits >> p & 1))
    if unseen:
        lines.append("unseen: " + "; ".join(unseen))
    if state["over"]:
        lines.append("over: draw" if state["winner"] < 0 else f"over: team {state['winner']}")
    return "\n".join([*lines, "", *_picture(state)])


def format_view(view: np.record) -> str:
    """What one player may know, as text: the public scoreboard, then the board with its fog."""
    lines = [f"me: {LETTERS[view['me']]}", f"tick: {view['tick']}"]
    if any(team != player for player, team in enumerate(view["team"])):
        lines.append("teams: " + " ".join(map(str, view["team"])))
    for player, alive in enumerate(view["alive"]):
        score = f"{LETTERS[player]}: {view['army_total'][player]} army, {view['land_total'][player]} land"
        lines.append(score if alive else score + ", dead")
    return "\n".join([*lines, "", *_picture(view)])


def parse_state(text: str) -> np.record:
    """The state that `text` describes, a record of `state_dtype`; totals are counted anew.

    Indentation and empty lines do not matter. Raises `ValueError` with line, column and what was
    expected.
    """
    header: _Header = {}
    board: list[list[_Word]] = []
    number = 0
    for number, line in enumerate(text.splitlines(), 1):
        key = _HEADER.match(line)
        if key and not board:
            _read_header(header, key, number, line)
        elif line.strip():
            board.append(_words(_Word(number, 1, line)))
    if not board:
        raise _wrong(_Word(number + 1, 1, ""), f"no board; expected rows of tiles, each {_TOKEN_HELP}")
    for row in board:
        if len(row) != len(board[0]):
            raise _wrong(row[-1], f"{len(row)} tiles in this row, but {len(board[0])} in the first")
    return _build(header, board)


def recount(state: np.record) -> None:
    """Make what follows from terrain, owners and armies: the ways, the cities, the totals, the stacks."""
    index_ways(state)
    cities = np.flatnonzero(state["terrain"] == CITY)
    state["num_cities"], state["city"][: len(cities)] = len(cities), cities
    for player in range(len(state["team"])):
        mine = state["owner"] == player
        state["land_total"][player] = np.count_nonzero(mine)
        state["army_total"][player] = state["army"][mine].sum()
        bits = np.packbits(mine & (state["army"] > 1), bitorder="little")
        words = state["stacks"][player]
        words[:] = np.frombuffer(bits.tobytes().ljust(words.nbytes, b"\0"), "<u4")


def _build(header: _Header, board: list[list[_Word]]) -> np.record:
    """The record made of the header's fields and the picture's tokens."""
    height, width = len(board), len(board[0])
    tiles = [[_read_tile(token) for token in row] for row in board]
    players = max([2, *(owner + 1 for row in tiles for _, owner, _ in row)])
    if "players" in header:
        shown, players = players, _integer(header["players"], 2, MAX_PLAYERS)
        if shown > players:
            raise _wrong(header["players"], f"the board shows player {LETTERS[shown - 1]}; expected {shown}")
    rows, stride = height, width
    if "padded" in header:
        rows, stride = _padded(header["padded"], height, width)
    if rows * stride > MAX_CELLS:
        place = header.get("padded", board[0][0])
        raise _wrong(place, f"a board of {rows}x{stride}; expected at most {MAX_CELLS} tiles")

    state = np.zeros(1, state_dtype(rows * stride, players))[0]
    state["height"], state["width"], state["stride"] = height, width, stride
    state["winner"], state["general"], state["owner"] = -1, -1, NEUTRAL
    state["terrain"], state["status"], state["team"] = MOUNTAIN, ALIVE, np.arange(players)
    for row, line in enumerate(tiles):
        for column, (terrain, owner, army) in enumerate(line):
            cell = row * stride + column
            state["terrain"][cell], state["owner"][cell], state["army"][cell] = terrain, owner, army
            if terrain == GENERAL:
                if state["general"][owner] >= 0:
                    raise _wrong(board[row][column], f"a second general of {LETTERS[owner]}; expected one")
                state["general"][owner] = cell
    for player in range(players):
        total = int(state["army"][state["owner"] == player].sum(dtype=np.int64))
        if total > _INT32:
            raise _wrong(board[0][0], f"player {LETTERS[player]} has {total} armies; at most {_INT32} fit")
    recount(state)
    _fill_header(state, header)
    return state


def _fill_header(state: np.record, header: _Header) -> None:
    """Write the fields that the picture does not show."""
    state["rules"] = _read_rules(header["rules"]) if "rules" in header else ruleset("generalsio")
    if "tick" in header:
        state["tick"] = _integer(header["tick"], 0, _INT32)
    if "stream" in header:
        key, draws = _words(header["stream"], 2, "the key and the number of draws, as in 12345 0")
        state["key"], state["draws"] = _integer(key, -_INT64 - 1, _INT64), _integer(draws, 0, _INT64)
    players = len(state["team"])
    if "teams" in header:
        words = _words(header["teams"], players, f"{players} team numbers, one per player")
        state["team"] = [_integer(word, 0, MAX_PLAYERS - 1) for word in words]
    if "dead" in header:
        dead = _read_players(header["dead"], players)
        state["num_dead"] = len(dead)
        for order, player in enumerate(dead, 1):
            state["death"][player], state["status"][player] = order, DEAD
    if "surrendered" in header:
        for player in _read_players(header["surrendered"], players):
            if not state["death"][player]:
                letter = LETTERS[player]
                raise _wrong(header["surrendered"], f"{letter} is not dead; expected {letter} in dead, too")
            state["status"][player] = SURRENDERED
    if "unseen" in header:
        _fill_disguises(state, header["unseen"])
    if "over" in header:
        state["over"] = 1
        if header["over"].text != "draw":
            word, team = _words(header["over"], 2, "draw, or a winning team as in team 0")
            if word.text != "team":
                raise _wrong(word, f"{word.text!r}; expected draw, or a winning team as in team 0")
            state["winner"] = _integer(team, 0, MAX_PLAYERS - 1)


def _fill_disguises(state: np.record, field: _Word) -> None:
    for part in re.finditer(r"[^;\s][^;]*", field.text):
        here = _Word(field.line, field.column + part.start(), part.group().strip())
        match = re.fullmatch(r"(\d{1,5}),(\d{1,5}) +([A-P]+)", here.text, re.ASCII)
        if not match:
            raise _wrong(here, f"{here.text!r}; expected row,column and players, as in 3,4 AB")
        row, column = int(match[1]), int(match[2])
        inside = row < state["height"] and column < state["width"]
        cell = row * int(state["stride"]) + column if inside else -1
        if cell < 0 or state["terrain"][cell] != CITY:
            raise _wrong(here, f"no city at {row},{column}; expected row and column, from 0, of a city")
        slot = np.searchsorted(state["city"][: state["num_cities"]], cell)
        letters = _Word(field.line, here.column + match.start(3), match[3])
        state["disguise"][slot] = sum(1 << player for player in _read_players(letters, len(state["team"])))
    state["disguises"] = np.bitwise_or.reduce(state["disguise"])


def _read_header(header: _Header, key: re.Match[str], number: int, line: str) -> None:
    name, here = key[1], _Word(number, key.start(1) + 1, key[1])
    if name not in _KEYS:
        raise _wrong(here, f"no key {name!r}; expected one of {', '.join(_KEYS)}")
    if name in header:
        raise _wrong(here, f"{name!r} for the second time; expected each key once")
    value = line[key.end() :]
    column = key.end() + len(value) - len(value.lstrip()) + 1
    if not value.strip():
        raise _wrong(_Word(number, column, ""), f"{name!r} has no value; leave the line out for the default")
    header[name] = _Word(number, column, value.strip())


def _read_tile(token: _Word) -> tuple[int, int, int]:
    """Terrain, owner and army of one token."""
    match = _TOKEN.fullmatch(token.text)
    if not match:
        raise _wrong(token, f"{token.text!r} is no tile; expected {_TOKEN_HELP}")
    if token.text == "#":
        return MOUNTAIN, NEUTRAL, 0
    army = int(match["owned"] or match["city"] or match["plain"] or 0)
    if army > _INT32:
        raise _wrong(token, f"an army of more than {_INT32}; expected a smaller one")
    if match["letter"]:
        terrain = {"": PLAIN, "^": CITY, "!": GENERAL}[match["sign"]]
        return terrain, LETTERS.index(match["letter"]), army
    return (CITY if match["city"] else PLAIN), NEUTRAL, army


def _read_rules(field: _Word) -> np.record:
    first, *flags = _words(field)
    if first.text not in RULESETS:
        raise _wrong(first, f"no ruleset {first.text!r}; expected one of {', '.join(RULESETS)}")
    rules = ruleset(first.text)
    for word in flags:
        name, _, value = word.text.partition("=")
        if name not in _FLAGS or not value:
            raise _wrong(word, f"{word.text!r}; expected a flag as in builds=1, of {', '.join(_FLAGS)}")
        here = _Word(word.line, word.column + len(name) + 1, value)
        rules[name] = _integer(here, 0, np.iinfo(RULES_DTYPE[name]).max)
    return rules


def _rules_text(rules: np.record) -> str:
    """The ruleset that needs the fewest flags to be named."""
    texts: list[list[str]] = []
    for name in RULESETS:
        base = ruleset(name)
        texts.append([name, *(f"{flag}={rules[flag]}" for flag in _FLAGS if rules[flag] != base[flag])])
    shortest = min(texts, key=len)
    return " ".join(shortest)


def _read_players(field: _Word, players: int) -> list[int]:
    """Player numbers of letters, each once."""
    found: list[int] = []
    for offset, letter in enumerate(field.text):
        player = LETTERS.find(letter)
        if not 0 <= player < players or player in found:
            what = "appears twice" if player in found else "is no player"
            here = _Word(field.line, field.column + offset, letter)
            raise _wrong(here, f"{letter!r} {what}; expected A to {LETTERS[players - 1]}, each once")
        found.append(player)
    return found


def _players_text(chosen: np.ndarray) -> str:
    return "".join(LETTERS[player] for player in np.flatnonzero(chosen))


def _padded(field: _Word, height: int, width: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", field.text, re.ASCII)
    if not match:
        raise _wrong(field, f"{field.text!r}; expected rows x columns, as in 20x22")
    rows, stride = int(match[1]), int(match[2])
    if rows < height or stride < width:
        raise _wrong(field, f"{rows}x{stride} is smaller than the board; expected at least {height}x{width}")
    return rows, stride


def _words(field: _Word, count: int = 0, expected: str = "") -> list[_Word]:
    """The words of a value, each with its place."""
    line, start, text = field
    words = [_Word(line, start + word.start(), word.group()) for word in re.finditer(r"\S+", text)]
    if count and len(words) != count:
        raise _wrong(field, f"{text!r}; expected {expected}")
    return words


def _integer(field: _Word, lowest: int, highest: int) -> int:
    text = field.text
    if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII) or not lowest <= int(text) <= highest:
        raise _wrong(field, f"{text!r}; expected a whole number from {lowest} to {highest}")
    return int(text)


def _wrong(place: _Word, message: str) -> ValueError:
    return ValueError(f"line {place.line}, column {place.column}: {message}")


def _picture(record: np.record) -> Iterator[str]:
    """The board, row by row, tokens aligned in columns."""
    height, width, stride = int(record["height"]), int(record["width"]), int(record["stride"])
    terrain, owner, army = record["terrain"].tolist(), record["owner"].tolist(), record["army"].tolist()
    rows = []
    for row in range(height):
        cells = range(row * stride, row * stride + width)
        rows.append([_token(terrain[cell], owner[cell], army[cell]) for cell in cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for tokens in rows:
        yield "  ".join(token.ljust(size) for token, size in zip(tokens, widths, strict=True)).rstrip()


def _token(terrain: int, owner: int, army: int) -> str:
    if terrain == FOG:
        return "?"
    if terrain == OBSTACLE:
        return "%"
    if terrain == MOUNTAIN:
        return "#"
    if owner >= 0:
        return f"{LETTERS[owner]}{army}{_SIGNS[terrain]}"
    if terrain == CITY:
        return f"^{army}"
    return f".{army}" if army else "."
