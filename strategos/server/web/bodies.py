"""What a request to the HTTP API may say: every field typed and bounded, anything else refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from strategos.server.terms import Pace, RoomOptions

LONGEST_NAME = 64
"""Characters of a name that is looked at; the hall itself allows fewer."""
LONGEST_WHERE = 64
"""Characters of a room's id or code."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
GameName = Literal["generals", "blob"]


class Body(BaseModel):
    """Unknown fields are mistakes, and a number in quotes is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class GeneralsOptions(Body):
    """Of `make_game("generals")`."""

    players: int = Field(default=2, ge=2, le=16)
    height: int = Field(default=12, ge=4, le=64)
    width: int = Field(default=12, ge=4, le=64)
    ruleset: Literal["generalsio", "classic", "duel", "competition"] = "generalsio"
    teams: list[Annotated[int, Field(ge=0, le=15)]] | None = Field(default=None, max_length=16)


class BlobOptions(Body):
    """Of `make_game("blob")`."""

    players: int = Field(default=4, ge=3, le=8)
    cards: int = Field(default=5, ge=1, le=17)
    rounds: Literal["one", "all"] = "one"
    min_cards: int | None = Field(default=None, ge=1, le=17)
    trump: Literal["S", "H", "C", "D", "none"] | None = None
    turned_up: bool = False
    scoring: Literal["exact", "tricks_plus_bonus"] = "exact"


class PaceBody(Body):
    """When the room ticks; see `terms.Pace`."""

    kind: Literal["lockstep", "real_time"] = "lockstep"
    seconds: float = Field(default=0.0, ge=0, le=3600, allow_inf_nan=False)


class _NewRoom(Body):
    name: Name
    pace: PaceBody = PaceBody()
    agents: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}$")], Name] = Field(
        default={}, max_length=16
    )
    """Seat, from 0, and the agent on it."""
    private: bool = False
    seed: int | None = Field(default=None, ge=0, lt=1 << 63)
    tick_limit: int = Field(default=0, ge=0, le=1_000_000)


class NewGenerals(_NewRoom):
    """A room for Generals."""

    game: Literal["generals"]
    options: GeneralsOptions = GeneralsOptions()


class NewBlob(_NewRoom):
    """A room for Blob."""

    game: Literal["blob"]
    options: BlobOptions = BlobOptions()


NewRoom = Annotated[NewGenerals | NewBlob, Field(discriminator="game")]


class JoinBody(Body):
    """A seat in a room that is there."""

    name: Name
    seat: int | None = Field(default=None, ge=0, le=15)
    team: int | None = Field(default=None, ge=0, le=15)


class QuickBody(Body):
    """A seat wherever somebody waits for the same game."""

    name: Name
    game: GameName
    players: int = Field(default=2, ge=2, le=16)


class EmptyBody(Body):
    """Nothing to say; an empty object keeps other sites' forms from asking."""


def room_options(body: NewGenerals | NewBlob) -> RoomOptions:
    """What the hall is to make."""
    options: Mapping[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in body.options.model_dump(exclude_none=True).items()
    }
    return RoomOptions(
        game=body.game,
        options=options,
        pace=Pace(body.pace.kind, float(body.pace.seconds)),
        agents={int(seat): agent for seat, agent in body.agents.items()},
        private=body.private,
        seed=body.seed,
        tick_limit=body.tick_limit,
    )
