"""The events of generals.io: what clients ask for, and what that means here.

Every argument comes from a stranger: what has another form than expected is refused with `gio_error`, or
ignored where the original ignores it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strategos.server.access.names import clean_chat
from strategos.server.generalsio import map_diff
from strategos.server.generalsio.entrance import LONGEST_ID, Entrance, Handler
from strategos.server.generalsio.players import Player, name_of, text_of
from strategos.server.generalsio.queues import CUSTOM, DUEL, FREE_FOR_ALL, TEAMS
from strategos.server.generalsio.socket_io import Socket
from strategos.server.hall import HallError

LONGEST_CHAT = 200
"""Letters of a message; what is longer is cut."""


def _argument(arguments: list[Any], place: int) -> Any:
    return arguments[place] if len(arguments) > place else None


async def _set_username(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    try:
        player = entrance.player(socket, _argument(arguments, 0))
        entrance.rename(player, name_of(_argument(arguments, 1)))
    except HallError as error:
        socket.emit("error_set_username", error.message)
        return
    socket.emit("error_set_username", "")
    if player.queue is not None:
        entrance.tell_queue(player.queue)


async def _get_username(entrance: Entrance, socket: Socket, arguments: list[Any]) -> str | None:
    known = entrance.players.get(str(_argument(arguments, 0)))
    return known.name if known is not None and known.named else None


async def _stars_and_rank(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    known = entrance.players.get(str(_argument(arguments, 0)))
    name = known.name if known is not None else ""
    kinds = ("duel", "ffa", "2v2")
    socket.emit("stars", dict.fromkeys(kinds, entrance.stars(name)))
    socket.emit("rank", dict.fromkeys(kinds, entrance.rank(name)))


async def _play(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    entrance.enter(entrance.player(socket, _argument(arguments, 0)), FREE_FOR_ALL, "")


async def _join_1v1(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    entrance.enter(entrance.player(socket, _argument(arguments, 0)), DUEL, "")


async def _join_team(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    """With the name of a team before the user id, or without one."""
    first, second, known = _argument(arguments, 0), _argument(arguments, 1), entrance.speaking(socket)
    if known is not None and first == known.user_id:  # what follows is a key, not the user id
        second = None
    team, user_id = (first, second) if isinstance(second, str) else (None, first)
    team = text_of(team, "the name of a team", LONGEST_ID) if team else None
    entrance.enter(entrance.player(socket, user_id), TEAMS, "", team)


async def _join_private(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    name = text_of(_argument(arguments, 0), "the id of a private game", LONGEST_ID)
    entrance.enter(entrance.player(socket, _argument(arguments, 1)), CUSTOM, name)


async def _set_force_start(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player = entrance.speaking(socket)
    if player is None or player.queue is None:
        return
    chosen = [each for each in arguments if isinstance(each, bool)]  # some send more before or after it
    player.queue.force(player, chosen[-1] if chosen else _argument(arguments, 1) not in (0, "false"))
    entrance.tell_queue(player.queue)


async def _set_custom_team(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player, team = entrance.speaking(socket), _argument(arguments, 1)
    if player is None or player.queue is None or player.queue.kind != CUSTOM:
        return
    if type(team) is not int or not 1 <= team <= 16:
        raise HallError("invalid", "a team is a number from 1 to 16")
    player.queue.teams[id(player)] = team
    entrance.tell_queue(player.queue)


async def _set_custom_options(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player, chosen = entrance.speaking(socket), _argument(arguments, 1)
    if player is None or player.queue is None:
        return
    if not isinstance(chosen, dict):
        raise HallError("invalid", "options are an object with a value for each of them")
    unknown = player.queue.choose(player, chosen, entrance.hall.agents("generals"))
    if unknown:
        player.emit("notify", "Options", f"there is no option {', '.join(unknown[:5])} here")
    entrance.tell_queue(player.queue)


async def _make_custom_public(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player = entrance.speaking(socket)
    if player is not None and player.queue is not None and player.queue.players[0] is player:
        player.queue.public = True


async def _cancel(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player = entrance.speaking(socket)
    if player is not None:
        entrance.leave_queue(player)


async def _leave_game(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player = entrance.speaking(socket)
    if player is not None:
        entrance.leave_queue(player)
        entrance.walk_out(player)


async def _attack(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    """Two to four arguments: from, to, half of it, number of the attack."""
    player = entrance.speaking(socket)
    if player is None or player.seated is None or player.seated.view is None or len(arguments) < 2:
        return
    half, number = _argument(arguments, 2), _argument(arguments, 3)
    action = map_diff.action_of(player.seated.view, arguments[0], arguments[1], half is True or half == 1)
    if action is None:
        return
    named = number if type(number) is int and 0 <= number < 2**31 else -1
    _in_the_game(lambda token: entrance.hall.enqueue(token, action, named), player)


async def _undo_move(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    _in_the_game(entrance.hall.undo, entrance.speaking(socket))


async def _clear_moves(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    _in_the_game(entrance.hall.clear, entrance.speaking(socket))


async def _surrender(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    _in_the_game(entrance.hall.surrender, entrance.speaking(socket))


def _in_the_game(do: Callable[[str], Any], player: Player | None) -> None:
    """Do something for a player's seat; one who is not in a game, or out of it, is not answered."""
    if player is not None and player.seated is not None:
        try:
            do(player.seated.ticket.token)
        except HallError as error:
            if error.code not in ("over", "not_started", "illegal"):
                raise


async def _chat_message(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player = entrance.speaking(socket)
    room, text = _argument(arguments, 0), _argument(arguments, 1)
    if player is None or not isinstance(text, str) or not text.strip():
        return
    text = clean_chat(text.strip()[:LONGEST_CHAT])
    to_team = player.seated is not None and room == player.seated.team_chat_room
    if player.seated is not None and not to_team:
        entrance.hall.chat(player.seated.ticket.token, text)
    elif not player.may_chat(entrance.hall.settings.chats_per_minute):
        raise HallError("exhausted", "too much chat; wait a little")
    elif to_team:
        _tell_team(entrance, player, "chat_message", room, player.said(text, "[team] "))
    elif player.queue is not None:
        for other in player.queue.players:
            other.emit("chat_message", player.queue.chat_room, player.said(text, None))


async def _ping_tile(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    player, tile = entrance.speaking(socket), _argument(arguments, 0)
    if player is None or player.seated is None or type(tile) is not int or not 0 <= tile < 2**15:
        return
    if player.may_chat(entrance.hall.settings.chats_per_minute):
        _tell_team(entrance, player, "ping_tile", tile, player.seated.seat)


def _tell_team(entrance: Entrance, player: Player, name: str, *arguments: Any) -> None:
    """Tell the players of one's own team, and nobody else."""
    own = player.seated
    if own is None:
        return
    for other in entrance.players.values():
        theirs = other.seated
        if theirs is not None and (theirs.ticket.room, theirs.team) == (own.ticket.room, own.team):
            other.emit(name, *arguments)


async def _ping_server(entrance: Entrance, socket: Socket, arguments: list[Any]) -> None:
    socket.emit("pong_server")


HANDLERS: dict[str, Handler] = {
    "set_username": _set_username,
    "get_username": _get_username,
    "stars_and_rank": _stars_and_rank,
    "play": _play,
    "join_1v1": _join_1v1,
    "join_team": _join_team,
    "join_private": _join_private,
    "set_force_start": _set_force_start,
    "set_custom_team": _set_custom_team,
    "set_custom_options": _set_custom_options,
    "make_custom_public": _make_custom_public,
    "cancel": _cancel,
    "leave_game": _leave_game,
    "attack": _attack,
    "undo_move": _undo_move,
    "clear_moves": _clear_moves,
    "surrender": _surrender,
    "chat_message": _chat_message,
    "ping_tile": _ping_tile,
    "ping_server": _ping_server,
}
"""Every event of a client that is understood."""
