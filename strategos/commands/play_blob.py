"""You against bots or an agent at Blob in the terminal: bid, then type the card to play.

The bots play at once and the table waits for you. Cards are typed as they are named, `SA` or `as` for the
ace of spades; a mistake is answered with one line and costs nothing.
"""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    from strategos.games.blob.game import Blob
    from strategos.play.policy import Policy

SYMBOLS = "♠♥♣♦"
SUIT_NAMES = ("spades", "hearts", "clubs", "diamonds", "no trump")
_SUIT_STYLES = ("bright_white", "bright_red", "bright_green", "bright_blue")
_CARD_WORD = re.compile(r"\b([SHCD][2-9TJQKA])\b")
_HELP = "a card is its suit and rank: SA, H9, CT, D2   S ♠  H ♥  C ♣  D ♦   q: quit"


def sit_down(options: Namespace, opponent: Policy, seed: int) -> Table:
    """A table for what the command line says; `ValueError` for a deal that cannot be."""
    from strategos.games.blob.game import Blob

    game = Blob(options.players or 4, options.cards or 5, rounds=options.rounds or "one")
    return Table(game, opponent, seed)


class Table:
    """One game in which you have the first seat and `opponent` all others; it waits only at your turns.

    `news`: what was settled since you last played, one line each.
    """

    def __init__(self, game: Blob, opponent: Policy, seed: int) -> None:
        import numpy as np

        from strategos.engine.batch import Batch

        self.game, self.opponent, self.seed = game, opponent, seed
        self.random = np.random.default_rng(seed)
        self.batch = Batch(game, 1, seed=seed, threads=1)
        self.batch.reset(seeds=np.array([seed], np.int64))
        others = [f"{opponent.name} {seat}" for seat in range(1, game.players)]
        self.names = ["you", *others]
        self.news: list[str] = []
        self._begun = False

    @property
    def view(self) -> np.record:
        """What you know."""
        return self.batch.observation.views[0, 0]

    @property
    def over(self) -> bool:
        """The game has ended."""
        return bool(self.batch.terminated[0])

    def legal(self) -> list[int]:
        """What you may play now."""
        import numpy as np

        mask = self.batch.observation.masks[0, 0]
        return [int(action) for action in np.flatnonzero(np.unpackbits(mask, bitorder="little"))]

    def begin(self) -> None:
        """Let the others play until it is your turn for the first time."""
        if not self._begun:
            self._begun = True
            self._let_others_play()

    def play(self, action: int) -> None:
        """Play `action`, then the others' until it is your turn again."""
        self.news.clear()
        self._step(action)
        self._let_others_play()

    def try_out(self) -> None:
        """Play this game through with your lowest actions, for whether the opponent can play here at all."""
        self.begin()
        while not self.over:
            self.play(self.legal()[0])

    def outcome(self) -> str:
        """How it stands or ended, in one line, with the way to play this deal again."""
        scores = self.view["scores"][: self.game.players]
        again = f"(deal {self.seed}: --seed {self.seed})"
        if not self.over:
            return f"You left in round {int(self.view['round']) + 1} of {int(self.view['rounds'])}. {again}"
        better, equal = int((scores > scores[0]).sum()), int((scores == scores[0]).sum()) - 1
        place = f"{'share' if equal else 'take'} place {better + 1} of {len(scores)}"
        return f"You {place} with {int(scores[0])} points. {again}"

    def _let_others_play(self) -> None:
        while not self.over and self.view["turn"] != 0:
            seat, seen = int(self.view["turn"]), self.batch.observation
            answer = self.opponent.act(seen.views[:, seat], seen.masks[:, seat], None, self.random)
            self._step(int(answer[0]))

    def _step(self, action: int) -> None:
        import numpy as np

        before = self.view.copy()
        actions = np.zeros((1, self.game.players), np.int32)
        actions[0, int(before["turn"])] = action
        self.batch.step(actions)
        players, plays = self.game.players, int(before["num_plays"])
        if before["num_bids"] == players and (plays + 1) % players == 0:
            first = plays + 1 - players
            leader = int(before["leaders"][first // players])
            cards = [int(card) for card in before["plays"][first:plays]] + [action]
            winner = (leader + winning_place(cards, int(before["trump"]))) % players
            taken = "you take it" if winner == 0 else f"{self.names[winner]} takes it"
            self.news.append(f"trick {first // players + 1}: {self._trick(leader, cards)}; {taken}")
            if plays + 1 == players * before["cards"]:
                before["tricks"][winner] += 1
                self.news.append(self._account(before))

    def _trick(self, leader: int, cards: Sequence[int]) -> str:
        names = [self.names[(leader + place) % len(self.names)] for place in range(len(cards))]
        return ", ".join(f"{name} {card}" for name, card in zip(names, _named(cards), strict=True))

    def _account(self, before: np.record) -> str:
        """The points of the round that has just ended, from the view before its last card."""
        parts = [
            f"{name} {int(bid)}/{int(tricks)} {int(points):+d}"
            for name, bid, tricks, points in zip(
                self.names, before["bids"], before["tricks"], self.view["last_scores"], strict=False
            )
        ]
        return f"round {int(before['round']) + 1} (bid/took points): {', '.join(parts)}"


def winning_place(cards: Sequence[int], trump: int) -> int:
    """The place in the trick of the card that wins it."""
    led = cards[0] // 13
    strength = [(card // 13 == trump, card // 13 == led, card % 13) for card in cards]
    return strength.index(max(strength))


def parse_action(line: str, table: Table) -> int:
    """The bid or the card that a line names; `InputError` that says what can be typed instead."""
    from strategos.games.blob.record import BID, RANKS, SUITS, card_id

    word, view, legal = line.strip(), table.view, table.legal()
    if view["num_bids"] < table.game.players:
        most = int(view["cards"])
        if not (word.isascii() and word.isdigit()) or int(word) > most:
            raise InputError(f"{word!r} is not a bid; type a number from 0 to {most}")
        if BID + int(word) not in legal:
            raise InputError(f"you bid last and the bids may not add up to {most}: anything but {word}")
        return BID + int(word)
    name = word.upper().replace("10", "T")
    if len(name) == 2 and name[0] in RANKS and name[1] in SUITS:
        name = name[::-1]
    try:
        card = card_id(name)
    except ValueError:
        raise InputError(f"{word!r} is not a card; type one such as {_named(legal)[0]}") from None
    if not int(view["hand"]) >> card & 1:
        raise InputError(f"you do not hold {name}; you may play {' '.join(_named(legal))}")
    if card not in legal:
        led = SUIT_NAMES[legal[0] // 13]
        raise InputError(f"{led} were led and you hold some; you may play {' '.join(_named(legal))}")
    return card


def play_plain(table: Table) -> None:
    """Read one bid or card a line from the standard input, until the game or the input ends."""
    from strategos.games.blob.notation import format_hand

    print("A bid is a number, a card its suit and rank: SA, H9, CT, D2. q to leave.")
    table.begin()
    _print_news(table)
    while not table.over:
        print(f"\n{_heading(table)}\n{_plain_seats(table)}\nhand {format_hand(int(table.view['hand']))}")
        print(f"{_question(table)}> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() in ("q", "quit"):
            return
        try:
            action = parse_action(line, table)
        except InputError as mistake:
            print(mistake)
            continue
        table.play(action)
        _print_news(table)


def play_on_screen(table: Table) -> None:
    """Play on a screen of its own; a card is typed, then Enter."""
    from rich.console import Console

    console, message = Console(), ""
    table.begin()
    with console.screen(hide_cursor=False):
        while not table.over:
            console.clear()
            console.print(screen(table, message))
            try:
                line = console.input(f"[bold]{_question(table)}[/]> ")
            except EOFError:
                break
            if line.strip() in ("q", "quit"):
                break
            try:
                action, message = parse_action(line, table), ""
            except InputError as mistake:
                message = str(mistake)
                continue
            table.play(action)
    console.print(screen(table, ""))


def screen(table: Table, message: str) -> Group:
    """All that you know, as something to print: heading, seats, what was settled, your hand."""
    from rich.console import Group
    from rich.text import Text

    news = Text("\n").join(_coloured(line) for line in table.news)
    return Group(
        Text(_heading(table), style="bold"),
        _seats(table),
        news,
        Text(),
        _hand(table),
        Text(message, style="bold yellow"),
        Text(_HELP, style="dim"),
    )


def _print_news(table: Table) -> None:
    for line in table.news:
        print(line)


def _heading(table: Table) -> str:
    view = table.view
    trump = int(view["trump"])
    suit = SUIT_NAMES[trump] if trump == len(SYMBOLS) else f"trump {SUIT_NAMES[trump]}"
    cards = f"{int(view['cards'])} card{'s' if view['cards'] > 1 else ''}"
    return f"Blob   round {int(view['round']) + 1} of {int(view['rounds'])}   {cards}   {suit}"


def _question(table: Table) -> str:
    from strategos.games.blob.record import BID

    legal, most = table.legal(), int(table.view["cards"])
    if table.view["num_bids"] == table.game.players:
        return "your card"
    missing = [bid for bid in range(most + 1) if BID + bid not in legal]
    return f"your bid, 0 to {most}" + (f" but not {missing[0]}" if missing else "")


def _rows(table: Table) -> list[tuple[str, str, str, str, list[int]]]:
    """Name with its marks, bid, tricks, points and card on the table of each seat, in order of play."""
    view, players = table.view, table.game.players
    on_table = int(view["num_plays"]) % players
    first = int(view["num_plays"]) - on_table
    cards: list[list[int]] = [[] for _ in range(players)]
    for place in range(on_table):
        seat = (int(view["leaders"][first // players]) + place) % players
        cards[seat].append(int(view["plays"][first + place]))
    rows = []
    for seat, name in enumerate(table.names):
        marks = " (dealer)" if view["dealer"] == seat else ""
        bid = int(view["bids"][seat])
        rows.append(
            (
                name + marks,
                "-" if bid < 0 else str(bid),
                str(int(view["tricks"][seat])),
                str(int(view["scores"][seat])),
                cards[seat],
            )
        )
    return rows


def _plain_seats(table: Table) -> str:
    from strategos.games.blob.record import card_name

    width = max(len(row[0]) for row in _rows(table))
    lines = [f"{'':{width}}  bid  took  score  table"]
    for name, bid, tricks, score, cards in _rows(table):
        played = " ".join(card_name(card) for card in cards)
        lines.append(f"{name:{width}}  {bid:>3}  {tricks:>4}  {score:>5}  {played}".rstrip())
    return "\n".join(lines)


def _seats(table: Table) -> Grid:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    view, players = table.view, table.game.players
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    for title in ("bid", "took", "score"):
        grid.add_column(title, justify="right")
    grid.add_column("table")
    for seat, (name, bid, tricks, score, cards) in enumerate(_rows(table)):
        mark = "▶ " if view["turn"] == seat else "  "
        exact = view["num_bids"] == players and view["bids"][seat] == view["tricks"][seat]
        style = "bold" if seat == 0 else ""
        grid.add_row(
            Text(mark + name, style=style),
            bid,
            Text(tricks, style="green" if exact else ""),
            score,
            Text(" ").join(_card(card) for card in cards),
        )
    return grid


def _card(card: int, dim: bool = False) -> Text:
    """`♠A` in the colour of its suit."""
    from rich.text import Text

    from strategos.games.blob.record import RANKS

    style = "dim" if dim else f"bold {_SUIT_STYLES[card // 13]}"
    return Text(SYMBOLS[card // 13] + RANKS[card % 13], style=style)


def _hand(table: Table) -> Text:
    """Your hand by suits, the highest first; what you may not play now is dim."""
    from rich.text import Text

    hand, legal = int(table.view["hand"]), table.legal()
    bidding = table.view["num_bids"] < table.game.players
    suits = []
    for suit in range(len(SYMBOLS)):
        cards = [card for card in range(suit * 13 + 12, suit * 13 - 1, -1) if hand >> card & 1]
        if cards:
            suits.append(Text(" ").join(_card(card, not bidding and card not in legal) for card in cards))
    return Text("your hand   ") + Text("    ").join(suits)


def _coloured(line: str) -> Text:
    """A line of news with its cards as symbols in the colours of their suits."""
    from rich.text import Text

    from strategos.games.blob.record import card_id

    text = Text()
    for number, part in enumerate(_CARD_WORD.split(line)):
        text.append_text(_card(card_id(part)) if number % 2 else Text(part))
    return text


def _named(actions: Sequence[int]) -> list[str]:
    from strategos.games.blob.record import card_name

    return [card_name(action) for action in actions]
