"""Compact views of Generals to float planes, made late and on the learner's device.

Views, masks and memories travel and are stored as records (10 to 20 times smaller); here they become
`[B, C, H, W]` tensors in channels_last layout. Everything is relative to the viewer (me, teammate,
enemy), so that all seats look alike, and every value lies in [0, 1]. All planes are 0 on the padding
outside a board that is smaller than its batch. Scoreboard and clock are constant planes.

The `memory` set also has a compiled kernel (`plane_kernels.py`), which is what the CPU uses; the torch
code here is its twin and runs on any device. Army planes are `log2(1 + army) / 10`, cut at 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from strategos.engine.plane_kernels import STEPS_CAP, write_memory_planes
from strategos.games.generals.record import (
    ACTIVITY_TICKS,
    CITY,
    FOG,
    GENERAL,
    MOUNTAIN,
    OBSTACLE,
    PLAIN,
)

PLANE_NAMES: dict[str, tuple[str, ...]] = {
    "basic": (
        "visible",
        "ownership",  # 1 mine, 0.75 a teammate's, 0.5 nobody's or unknown, 0 an enemy's
        "army",
        "plain",
        "mountain",  # 0.5 where it may also be a city
        "city",
        "general",
        "turn",  # tick / 500, cut at 1
        "legal",  # share of the eight moves from here that are legal
    ),
    "enhanced": (
        "visible",
        "ownership",
        "army",
        "plain",
        "mountain",
        "city",
        "general",
        "steps_to_enemy",  # over known terrain to the nearest enemy tile, / 24, 1 where none is known
        "steps_to_city",
        "steps_to_own_general",
        "enemy_strength",  # enemy army last seen here; in fog, the unaccounted army spread evenly
        "growth_potential",  # army a tile grows in 50 ticks, / 26: structures 1, land 1/26
        "choke_point",  # passable, with walls on two opposite sides
        "front_line",  # mine beside an enemy's, or an enemy's beside mine
        "move_frequency",  # share of the last 10 turns in which the tile was seen fought or marched over
    ),
    "memory": (
        "on_board",
        "mine",
        "teammate",
        "enemy_in_sight",
        "enemy_remembered",
        "visible",
        "never_seen",
        "recency",  # 8 / (8 + ticks since the last sight), 0 never seen
        "ally_army",
        "enemy_army",  # as last seen
        "neutral_army",
        "army_share",  # of my whole army, on my tiles
        "mountain",
        "city",
        "obstacle",  # mountain or city, not known which
        "own_general",
        "enemy_general",  # wherever it was seen
        "can_move",
        "activity",
        "steps_to_enemy",
        "steps_to_enemy_general",  # 1 while unknown
        "steps_to_own_general",
        "growth_phase",  # (tick mod 50) / 50
        "odd_tick",
        "tick",  # / 500, cut at 1
        "my_army_total",  # log2(1 + army) / 12
        "my_army_balance",  # mine / (mine + the enemies')
        "my_land_balance",
        "enemy_army_trend_16",  # now / (now + moving average): 0.5 is no change
        "enemy_army_trend_64",
        "enemy_land_trend_16",
        "enemy_land_trend_64",
    ),
}
PLANES: dict[str, int] = {name: len(names) for name, names in PLANE_NAMES.items()}

_TORCH_DTYPES = {
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "u4": torch.int32,  # bit patterns only; torch has few operations on unsigned words
    "f4": torch.float32,
}


def record_bytes(records: np.ndarray, device: str | torch.device = "cpu") -> Tensor:
    """Records [B] as a byte tensor [B, itemsize] on `device`: one copy, whatever the fields."""
    flat = np.ascontiguousarray(records).reshape(-1)
    return torch.from_numpy(flat.view(np.uint8).reshape(len(flat), records.dtype.itemsize)).to(device)


def record_fields(data: Tensor, dtype: np.dtype) -> dict[str, Tensor]:
    """The fields of a byte tensor [B, itemsize] of records of `dtype`, as tensors without a copy."""
    fields = {}
    for name, (kind, offset) in ((name, field[:2]) for name, field in (dtype.fields or {}).items()):
        code = kind.base.str[1:]
        if code not in _TORCH_DTYPES:
            continue  # padding and nested records
        torch_dtype, size = _TORCH_DTYPES[code], kind.base.itemsize
        column = data[:, offset : offset + kind.itemsize]
        column = column if size == 1 and torch_dtype == torch.uint8 else column.view(torch_dtype)
        fields[name] = column.reshape(len(data), *kind.shape)
    return fields


Observed = np.ndarray | Mapping[str, Tensor]


def planes(
    name: str,
    views: Observed,
    masks: np.ndarray | Tensor,
    memories: Observed | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The float planes of one player's observations.

    `views` [B] and `memories` [B] are records, or their fields as tensors (`record_fields`); `masks`
    [B, mask_bytes] uint8 are packed legal moves. `basic` needs no memories. Returns [B, C, H, W] in
    channels_last layout, `C = PLANES[name]`, float32 or bfloat16, every value in [0, 1].

    Raises `ValueError` for an unknown name or missing memories.
    """
    if name not in PLANES:
        raise ValueError(f"no plane set {name!r}; choose one of {', '.join(PLANES)}")
    if memories is None and name != "basic":
        raise ValueError(f"plane set {name!r} needs the players' memories")
    if name == "memory" and torch.device(device).type == "cpu" and isinstance(views, np.ndarray):
        assert isinstance(memories, np.ndarray)
        return _memory_on_cpu(views, np.asarray(masks), memories).to(dtype)
    see = _fields(views, device)
    remembered = {} if memories is None else _fields(memories, device)
    legal = masks if isinstance(masks, Tensor) else torch.from_numpy(np.ascontiguousarray(masks))
    # Read before the copy where there is one: on a GPU reading a field waits for all that is queued there.
    stride = views["stride"].flat[0] if isinstance(views, np.ndarray) else views["stride"].flatten()[0]
    board = _Board(see, legal.to(device), int(stride))
    maker = {"basic": _basic, "enhanced": _enhanced, "memory": _memory}[name]
    made = maker(board, remembered)
    stacked = torch.stack(torch.broadcast_tensors(*made), dim=-1) * board.on_board.unsqueeze(-1)
    return stacked.to(dtype).permute(0, 3, 1, 2)


def _fields(records: Observed, device: str | torch.device) -> Mapping[str, Tensor]:
    if isinstance(records, np.ndarray):
        return record_fields(record_bytes(records, device), records.dtype)
    return records


def _memory_on_cpu(views: np.ndarray, masks: np.ndarray, memories: np.ndarray) -> Tensor:
    stride = int(views["stride"].flat[0])
    height = views.dtype["terrain"].shape[0] // stride
    out = torch.empty((len(views), height, stride, PLANES["memory"]))
    write_memory_planes(views, masks, memories, out.numpy().reshape(len(views), height * stride, -1))
    return out.permute(0, 3, 1, 2)


class _Board:
    """Fields of a batch of views shaped [B, H, W], and who is whose."""

    def __init__(self, see: Mapping[str, Tensor], masks: Tensor, stride: int) -> None:
        batch, cells = see["terrain"].shape
        self.width = stride
        self.height = cells // self.width
        self.see, self.masks = see, masks[:, :cells]
        self.me = see["me"].long().view(batch, 1)
        team = see["team"].long()
        players = torch.arange(team.shape[1], device=team.device).view(1, -1)
        self.is_me = players == self.me
        self.is_enemy = team != team.gather(1, self.me)
        rows = torch.arange(self.height, device=team.device).view(1, -1, 1)
        columns = torch.arange(self.width, device=team.device).view(1, 1, -1)
        self.on_board = (rows < see["height"].view(batch, 1, 1)) & (columns < see["width"].view(batch, 1, 1))
        self.terrain = self.shape(see["terrain"])
        self.visible = (self.terrain != FOG) & (self.terrain != OBSTACLE) & self.on_board
        self.tick = see["tick"].view(batch, 1, 1).float()

    def shape(self, field: Tensor) -> Tensor:
        """[B, cells] to [B, H, W]."""
        return field.reshape(-1, self.height, self.width)

    def owned_by(self, owner: Tensor, players: Tensor) -> Tensor:
        """Which tiles belong to one of `players` [B, P] bool; `owner` is [B, cells]."""
        index = owner.long().clamp(min=0)
        return self.shape(players.gather(1, index) & (owner >= 0)) & self.on_board

    def at(self, places: Tensor, players: Tensor) -> Tensor:
        """A plane with 1 on the known tiles `places` [B, P] of the chosen `players` [B, P]."""
        known = (places >= 0) & players
        plane = torch.zeros(self.see["terrain"].shape, device=places.device)
        plane.scatter_reduce_(1, places.long().clamp(min=0), known.float(), "amax")
        return self.shape(plane)


def _log_army(army: Tensor) -> Tensor:
    return torch.log2(1.0 + army.clamp(0, 1023).float()) / 10.0


def steps_over(targets: Tensor, blocked: Tensor) -> Tensor:
    """Steps [B, H, W] from the nearest of `targets` (bool), walking around `blocked`, / 24, cut at 1."""
    cap = float(STEPS_CAP)
    steps = torch.where(targets, 0.0, cap)
    for _ in range(STEPS_CAP - 1):
        around = torch.nn.functional.pad(steps, (1, 1, 1, 1), value=cap)
        nearest = torch.minimum(
            torch.minimum(around[:, :-2, 1:-1], around[:, 2:, 1:-1]),
            torch.minimum(around[:, 1:-1, :-2], around[:, 1:-1, 2:]),
        )
        steps = torch.where(blocked, steps, torch.minimum(steps, nearest + 1))
    return steps / cap


def _ownership(board: _Board) -> Tensor:
    owner = board.see["owner"]
    mine, enemy = board.owned_by(owner, board.is_me), board.owned_by(owner, board.is_enemy)
    anybody = board.shape(owner) >= 0
    return torch.where(mine, 1.0, torch.where(enemy, 0.0, torch.where(anybody, 0.75, 0.5)))


def _first_seven(board: _Board) -> list[Tensor]:
    terrain = board.terrain
    return [
        board.visible.float(),
        _ownership(board),
        _log_army(board.shape(board.see["army"])),
        (terrain == PLAIN).float(),
        (terrain == MOUNTAIN).float() + 0.5 * (terrain == OBSTACLE).float(),
        (terrain == CITY).float(),
        (terrain == GENERAL).float(),
    ]


def _basic(board: _Board, _: Mapping[str, Tensor]) -> list[Tensor]:
    legal = _bits(board.masks, 8).float() / 8
    return [*_first_seven(board), (board.tick / 500).clamp(max=1), board.shape(legal)]


def _bits(words: Tensor, count: int) -> Tensor:
    """How many of the lowest `count` bits are set."""
    total = torch.zeros_like(words)
    for bit in range(count):
        total += (words >> bit) & 1
    return total


def _enhanced(board: _Board, memory: Mapping[str, Tensor]) -> list[Tensor]:
    known = board.shape(memory["terrain"])
    wall = (known == MOUNTAIN) | (known == OBSTACLE) | ~board.on_board
    neutral_city = (known == CITY) & (board.shape(memory["owner"]) < 0)
    enemy = board.owned_by(memory["owner"], board.is_enemy)
    mine = board.owned_by(memory["owner"], board.is_me)
    own_general = board.at(memory["general"], board.is_me) > 0

    army = board.shape(memory["army"]).float()
    enemy_total = (board.see["army_total"] * board.is_enemy).sum(1).view(-1, 1, 1).float()
    unaccounted = (enemy_total - (army * enemy).sum((1, 2), keepdim=True)).clamp(min=0)
    fog = (board.terrain == FOG) & board.on_board
    spread = unaccounted / fog.sum((1, 2), keepdim=True).clamp(min=1)
    strength = _log_army(torch.where(enemy, army, torch.where(fog, spread, 0.0)))

    growth = torch.where((known == CITY) | (known == GENERAL), 1.0, torch.where(wall, 0.0, 1 / 26))
    walls = torch.nn.functional.pad(wall, (1, 1, 1, 1), value=True)
    across = (walls[:, :-2, 1:-1] & walls[:, 2:, 1:-1]) | (walls[:, 1:-1, :-2] & walls[:, 1:-1, 2:])
    return [
        *_first_seven(board),
        steps_over(enemy, wall | neutral_city),
        steps_over(known == CITY, wall),
        steps_over(own_general, wall | neutral_city),
        strength,
        growth,
        (across & ~wall).float(),
        ((mine & _beside(enemy)) | (enemy & _beside(mine))).float(),
        board.shape(_bits(memory["activity"], ACTIVITY_TICKS)).float() / ACTIVITY_TICKS,
    ]


def _beside(tiles: Tensor) -> Tensor:
    around = torch.nn.functional.pad(tiles, (1, 1, 1, 1), value=False)
    return around[:, :-2, 1:-1] | around[:, 2:, 1:-1] | around[:, 1:-1, :-2] | around[:, 1:-1, 2:]


def _trend(now: Tensor, average: Tensor) -> Tensor:
    """now / (now + average) of the enemies together, 0.5 while nothing is known."""
    total = now + average
    return torch.where(total > 0, now / total.clamp(min=1e-6), 0.5)


def _memory(board: _Board, memory: Mapping[str, Tensor]) -> list[Tensor]:
    known, owner = board.shape(memory["terrain"]), memory["owner"]
    army, seen = board.shape(memory["army"]), board.shape(memory["seen"])
    mine, enemy = board.owned_by(owner, board.is_me), board.owned_by(owner, board.is_enemy)
    mate = board.owned_by(owner, ~board.is_me & ~board.is_enemy)
    nobody = board.shape(owner) < 0
    wall = (known == MOUNTAIN) | (known == OBSTACLE) | ~board.on_board
    blocked = wall | ((known == CITY) & nobody)
    own_general = board.at(memory["general"], board.is_me)
    enemy_general = board.at(memory["general"], board.is_enemy)
    age = (board.tick - seen.float()).clamp(min=0)
    # All three together: a GPU spends the time on starting the hundreds of small steps, not on their size.
    targets = torch.cat([enemy, enemy_general > 0, own_general > 0])
    to_enemy, to_enemy_general, to_own_general = steps_over(targets, blocked.repeat(3, 1, 1)).chunk(3)

    def total(field: Tensor, players: Tensor) -> Tensor:
        return (field.float() * players).sum(1).view(-1, 1, 1)

    armies, land = board.see["army_total"], board.see["land_total"]
    my_army, my_land = total(armies, board.is_me), total(land, board.is_me)
    enemy_army, enemy_land = total(armies, board.is_enemy), total(land, board.is_enemy)
    army_trend, land_trend = memory["army_trend"], memory["land_trend"]
    return [
        board.on_board.float(),
        mine.float(),
        mate.float(),
        (enemy & board.visible).float(),
        (enemy & ~board.visible).float(),
        board.visible.float(),
        (seen < 0).float(),
        torch.where(seen < 0, 0.0, 8 / (8 + age)),
        _log_army(army) * (mine | mate),
        _log_army(army) * enemy,
        _log_army(army) * nobody,
        mine * (army / my_army.clamp(min=1)).clamp(max=1),
        (known == MOUNTAIN).float(),
        (known == CITY).float(),
        (known == OBSTACLE).float(),
        own_general,
        enemy_general,
        board.shape(board.masks != 0).float(),
        board.shape(_bits(memory["activity"], ACTIVITY_TICKS)).float() / ACTIVITY_TICKS,
        to_enemy,
        to_enemy_general,
        to_own_general,
        torch.remainder(board.tick, 50) / 50,
        torch.remainder(board.tick, 2),
        (board.tick / 500).clamp(max=1),
        (torch.log2(1 + my_army.clamp(max=4095)) / 12),
        my_army / (my_army + enemy_army).clamp(min=1),
        my_land / (my_land + enemy_land).clamp(min=1),
        _trend(enemy_army, total(army_trend[:, :, 1], board.is_enemy)),
        _trend(enemy_army, total(army_trend[:, :, 2], board.is_enemy)),
        _trend(enemy_land, total(land_trend[:, :, 1], board.is_enemy)),
        _trend(enemy_land, total(land_trend[:, :, 2], board.is_enemy)),
    ]
