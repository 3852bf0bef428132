"""Strategos: self-play reinforcement learning for strategy games with hidden information.

Importing this package loads nothing else; import the room you need, for example
`strategos.games`, `strategos.engine.batch` or `strategos.envs`.
"""

__version__ = "0.1.0"
