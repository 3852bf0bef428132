"""The game server: rooms where people, programs and agents play, and the entrances to them.

`hall.Hall` is the only thing that an entrance speaks to. Nothing below this package may import it.
"""
