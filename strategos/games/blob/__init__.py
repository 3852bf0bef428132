"""Blob (Oh Hell): bid how many tricks you will take, then take exactly that many; 3 to 8 players."""

from strategos.games.blob.game import Blob

__all__ = ["Blob"]
