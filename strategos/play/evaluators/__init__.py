"""What judges the leaves of a search: random playouts, networks, a script for Generals, or two of them.

All keep the contract of `strategos.play.search.Evaluator`. Nothing here searches.
"""
