"""How strong a player is, from who beat whom: Elo, Bradley-Terry and payoff matrices.

Pure maths over NumPy and SciPy. Nothing here plays a game, reads a file or draws a random number.
"""
