"""The web entrance: a page to play and to watch on, its WebSocket and its HTTP API."""

from strategos.server.web.serve import listen, serve

__all__ = ["listen", "serve"]
