"""How strong a player is, from who beat whom, and who should meet next.

`rounds`, `schedules`, `swiss`: the tables of the next round. `payoff`, `boards`, `tables`: results, with
intervals. `elo`, `bradley_terry`, `bootstrap`, `points`, `plackett_luce`: lists of ratings. `equilibria`,
`intransitivity`: what a list cannot say. `sprt`, `empirical_likelihood`: is one better?

Pure maths over NumPy, SciPy, networkx and openskill. Nothing here plays a game or reads a file; random
numbers come from a seed that the caller gives.
"""
