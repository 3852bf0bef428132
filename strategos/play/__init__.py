"""Acting: policies, scripted bots, matches between them and the records of their games.

Nothing here learns. A policy sees views, legal masks and memories; only a match touches a game.
"""
