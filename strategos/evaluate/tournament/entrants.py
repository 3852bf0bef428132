"""Who plays in a tournament: players found by what was typed, tried out, and kept beside the games.

Of an agent with weights a copy lies in the tournament's folder: the run that it came from may train on and
prune, and the folder may be moved. Bots and programs are what their names stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strategos.durable import write_atomically
from strategos.games.spec import Game
from strategos.play.agents import (
    ONNX_SUFFIX,
    find_checkpoint,
    find_program,
    game_of,
    is_bot,
    load_policy,
    weights_hash,
)
from strategos.play.checkpoint_files import copy_agent
from strategos.play.policy import Policy, PolicyError, SessionPolicy, measured_temperature
from strategos.play.try_out import try_out

PLAYERS_FOLDER = "players"


@dataclass(frozen=True)
class Entrant:
    """One player, as typed and as found."""

    source: str
    name: str
    path: str = ""
    """Of a network: its checkpoint or its ONNX file; once the tournament has begun the copy in its folder."""
    sha256: str = ""
    """Of the weights there."""
    program: bool = False

    def load(self, folder: Path, temperature: float) -> Policy:
        """The player itself, of the tournament in `folder`; `PolicyError` where its weights have changed."""
        if not self.path:
            return load_policy(self.source, temperature=temperature)
        path = folder / self.path
        if weights_hash(path) != self.sha256:
            raise PolicyError(f"the weights of {path} have changed since the tournament began; begin anew")
        return load_policy(path, temperature=temperature)


def enter(sources: Sequence[str], game: Game) -> tuple[Entrant, ...]:
    """Find, load and ask everybody for one move; who has the name of another is called as typed.

    `PolicyError` for a player that is not there or cannot play the game.
    """
    entrants = [_find(source, game) for source in sources]
    names = [each.name for each in entrants]
    while twice := {name for name in names if names.count(name) > 1}:  # what was typed differs
        names = [each.source if name in twice else name for each, name in zip(entrants, names, strict=True)]
    return tuple(replace(each, name=name) for each, name in zip(entrants, names, strict=True))


def _find(source: str, game: Game) -> Entrant:
    told = game_of(source)
    if told not in (None, game.spec.name):
        raise PolicyError(
            f"{source} plays {told}, and this is a tournament of {game.spec.name}; leave it out"
        )
    path = ""
    if source.endswith(ONNX_SUFFIX):
        path = source
    elif not is_bot(source) and find_program(source) is None:
        path = str(find_checkpoint(source).resolve())
    policy = load_policy(path or source, temperature=measured_temperature(game.spec.name))
    program = isinstance(policy, SessionPolicy)
    if program and game.spec.num_players != 2:
        raise PolicyError(f"{source} is a program, and programs play games of two players; leave it out")
    try_out(game, [policy])
    return Entrant(source, policy.name, path, program=program)


def keep(entrants: Sequence[Entrant], folder: Path) -> tuple[Entrant, ...]:
    """The same players with their weights copied into `folder`; `PolicyError` for weights that are gone."""
    return tuple(_keep(entrant, folder, number) for number, entrant in enumerate(entrants, 1))


def _keep(entrant: Entrant, folder: Path, number: int) -> Entrant:
    if not entrant.path:
        return entrant
    source = Path(entrant.path)
    kept = Path(PLAYERS_FOLDER, str(number))
    if source.suffix == ONNX_SUFFIX:
        kept = kept.with_suffix(ONNX_SUFFIX)
        (folder / PLAYERS_FOLDER).mkdir(exist_ok=True)
        write_atomically(folder / kept, source.read_bytes())
    else:
        copy_agent(source, folder / kept)
    return replace(entrant, path=kept.as_posix(), sha256=weights_hash(folder / kept))
