"""The game server: rooms where people, programs and agents play, and the entrances to them.

Entrances (`grpc/`, `web/`, `generalsio/`) speak to `hall.Hall` alone; the hall plays in `rooms/`, keeps in
`records/`, asks `access/` who may; `experience/` follows the hall. Nothing below this package may import it.
"""
