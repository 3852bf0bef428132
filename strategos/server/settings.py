"""Settings of the server: a TOML file, then the environment (`STRATEGOS_HTTP_PORT=8000`), then the command.

`RELOADABLE` may change while the server runs; the rest needs a restart. No logic may enter here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, IPvAnyNetwork, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentProblem

from strategos.spelling import nearest


class SettingsError(ValueError):
    """Settings that cannot be: which key, what was expected."""


class Settings(BaseSettings):
    """Everything an operator can choose; units are in the names."""

    model_config = SettingsConfigDict(env_prefix="STRATEGOS_", extra="forbid", frozen=True)

    data: Path = Path("host")
    """Folder of the journal, the keys and the recorded games; one server at a time."""
    host: str = "127.0.0.1"
    """Address that all entrances listen on; 0.0.0.0 for every interface."""
    http_port: int = Field(default=8000, ge=0, le=65535)
    """Of the page, its WebSocket, the HTTP API and the generals.io protocol; 0 takes a free one."""
    grpc_port: int = Field(default=8001, ge=0, le=65535)
    origins: tuple[str, ...] = ()
    """Other origins (https://example.org) whose pages may use the HTTP API and the WebSocket."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks (10.0.0.0/8) of reverse proxies; X-Forwarded-For is believed from these alone."""

    tls_certificate: Path | None = None
    """PEM file; with it and `tls_key` every entrance speaks TLS only, 1.2 or later."""
    tls_key: Path | None = None
    tls_client_authority: Path | None = None
    """PEM file; clients must show a certificate signed by it (mTLS)."""

    agents: dict[str, str] = Field(default_factory=dict)
    """Name and source (run, checkpoint, ONNX file, program) of agents to offer, beside the scripted bots."""
    runs: Path | None = Path("runs")
    """Folder whose trained runs are offered by their names; none where it is empty or missing."""
    agent_s: float = Field(default=60.0, gt=0)
    """An agent that has not answered after so long is taken off its seats, until it does."""

    games: int = Field(default=1000, ge=1)
    """Rooms that have not ended, at most."""
    games_per_address: int = Field(default=300, ge=1)
    creates_per_minute: float = Field(default=120.0, gt=0)
    """New rooms of one address, after a burst of as many."""
    board_cells: int = Field(default=2500, ge=16)
    """Tiles of the largest board of Generals, padding included."""
    compilations: int = Field(default=1, ge=1)
    """New kinds of boards (sizes, numbers of players) that are compiled at a time; each takes a core."""
    compilations_waiting: int = Field(default=4, ge=0)
    """New kinds of boards that wait for that, of different addresses."""
    layouts: int = Field(default=64, ge=1)
    """Kinds of boards there may be until the next start; each takes 6 MB of memory and 15 MB of the disk."""
    tick_limit: int = Field(default=20_000, ge=1)
    """Ticks of the longest game."""
    tick_least_s: float = Field(default=0.05, gt=0)
    """The fastest real-time pace."""
    queue_moves: int = Field(default=1000, ge=1)
    """Moves that one seat may have waiting."""
    spectators: int = Field(default=50, ge=0)
    """Of one room; one address at most half of them."""
    spectator_delay_ticks: int = Field(default=50, ge=0)
    open_idle_s: float = Field(default=900.0, gt=0)
    """A room that has not begun and of which nobody was heard for so long is closed."""
    absent_s: float = Field(default=60.0, gt=0)
    """A seat that the others wait for and that was not heard of for so long surrenders, or is played for."""
    idle_s: float = Field(default=1800.0, gt=0)
    """A game of which nobody was heard for so long ends, where it is not rated or all people have lost it."""
    linger_s: float = Field(default=300.0, gt=0)
    """How long a room stays after its game, for a rematch."""
    batch_idle_s: float = Field(default=600.0, gt=0)
    """A batch of games that its client has not used for so long is closed."""
    chats_per_minute: float = Field(default=30.0, gt=0)

    connections: int = Field(default=5000, ge=1)
    """Open lines of the web entrance and streams of gRPC together, and as many lines of gRPC again, over
    which twice as many calls may run at once."""
    connections_per_address: int = Field(default=1500, ge=1)
    connects_per_second: float = Field(default=200.0, gt=0)
    """New ones of one address, after a burst of `connections_per_address`."""
    requests_per_second: float = Field(default=20_000.0, gt=0)
    """Calls, requests or messages of one address to one entrance, after a burst of as many; over HTTP 200 at
    most, after 15 times as many."""
    message_bytes: int = Field(default=65536, ge=1024)
    """The largest message of a WebSocket, and body of an HTTP request."""
    batch_message_bytes: int = Field(default=4 << 20, ge=65536)
    """The largest message of gRPC."""

    token_hours: float = Field(default=48.0, gt=0)
    key_days: float = Field(default=30.0, gt=0)
    """A new signing key is made after so long; tokens signed by the one before stay good until they end."""

    record: bool = True
    """Write finished games to Parquet."""
    record_games: int = Field(default=64, ge=1)
    """Finished games that are written to one file."""
    record_s: float = Field(default=60.0, gt=0)
    """A finished game waits for others for so long at most."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False
    grace_s: float = Field(default=10.0, ge=0)
    """From the first signal to stop until the end."""
    back_s: float = Field(default=30.0, ge=0)
    """When players are told to come back."""

    def reloaded(self, newer: Settings) -> Settings:
        """These settings with those of `newer` that may change while the server runs."""
        return self.model_copy(update={name: getattr(newer, name) for name in RELOADABLE})


RELOADABLE = (
    "games", "games_per_address", "creates_per_minute", "board_cells", "compilations_waiting", "layouts",
    "tick_limit", "tick_least_s", "queue_moves", "spectators", "open_idle_s", "absent_s", "idle_s",
    "linger_s", "batch_idle_s", "chats_per_minute", "connections", "connections_per_address",
    "connects_per_second", "requests_per_second", "message_bytes", "agent_s", "record_games", "record_s",
    "log_level", "back_s", "grace_s",
)  # fmt: skip


def load_settings(file: Path | None = None, **chosen: Any) -> Settings:
    """Settings from `file`, the environment and what was `chosen` on the command, the last one wins.

    `SettingsError` names the key and what it may be.
    """
    found: dict[str, Any] = {}
    if file is not None:
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"the settings in {file} cannot be read: {error}") from None
    known = Settings.model_fields
    for name in found:
        if name not in known:
            raise SettingsError(f"{file}: there is no setting {name!r}{nearest(name, known)}")
    try:
        # What is passed wins over the environment, so only what the environment leaves open is passed.
        from_environment = Settings().model_fields_set
        kept = {name: value for name, value in found.items() if name not in from_environment}
        return Settings(**{**kept, **chosen})
    except EnvironmentProblem as error:
        named = next((name for name in known if f'"{name}"' in str(error)), "")
        raise SettingsError(
            f"STRATEGOS_{named.upper()} of the environment cannot be read: lists and tables are written as "
            'JSON, ["one", "two"] or {"name": "source"}'
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"the setting {where}: {first['msg'].lower()}") from None
