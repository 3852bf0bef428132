"""Kuhn poker: three cards, two players, one bet. Its equilibrium is known, so learners are tested on it."""

from strategos.games.kuhn.game import Kuhn

__all__ = ["Kuhn"]
