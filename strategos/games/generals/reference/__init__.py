"""The rules of Generals a second time: slow, plain Python, written to be read.

This is the twin that the compiled kernels are tested against. It shares with them the layout of
the records and nothing else: no Numba, no clever bookkeeping, and NumPy only for records and for what
float32 rounds. Nothing on a hot path may import it.

A `Position` is read from a record with `from_state`, played with `step` and `leave`, asked with
`legal`, `view`, `returns` and `ranking`, and written back with `to_state`; `remember` folds one
more view into a player's memory. `fields_of` and `record_of` carry views and memories from and to
their records.
"""

from strategos.games.generals.reference.position import (
    Position,
    army_totals,
    fields_of,
    from_state,
    land_totals,
    lift_disguises,
    record_of,
    to_state,
)
from strategos.games.generals.reference.sight import Memory, View, remember, view
from strategos.games.generals.reference.tick import leave, legal, ranking, read_move, returns, step

__all__ = [
    "Memory",
    "Position",
    "View",
    "army_totals",
    "fields_of",
    "from_state",
    "land_totals",
    "leave",
    "legal",
    "lift_disguises",
    "ranking",
    "read_move",
    "record_of",
    "remember",
    "returns",
    "step",
    "to_state",
    "view",
]
