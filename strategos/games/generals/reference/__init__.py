"""The rules of Generals a second time: slow, plain Python, written to be read.

This is the twin that the compiled kernels are tested against. It shares with them the layout of
the records and nothing else: no Numba, no vectors, no clever bookkeeping. Nothing on a hot path
may import it.

A `Position` is read from a record with `from_state`, played with `step` and `leave`, asked with
`legal`, `view`, `returns` and `ranking`, and written back with `to_state`; `remember` folds one
more view into a player's memory.
"""

from strategos.games.generals.reference.position import (
    Position,
    army_total,
    from_state,
    land_total,
    lift_disguises,
    to_state,
)
from strategos.games.generals.reference.sight import remember, view
from strategos.games.generals.reference.tick import leave, legal, ranking, read_move, returns, step

__all__ = [
    "Position",
    "army_total",
    "from_state",
    "land_total",
    "leave",
    "legal",
    "lift_disguises",
    "ranking",
    "read_move",
    "remember",
    "returns",
    "step",
    "to_state",
    "view",
]
