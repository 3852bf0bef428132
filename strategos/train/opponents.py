"""The fixed players that a run is trained against, by name."""

from __future__ import annotations

from strategos.play.agents import load_policy
from strategos.play.policy import Policy, PolicyError, SessionPolicy


def load_opponent(name: str, *, symmetries: bool = True) -> Policy:
    """The player called `name`, see `load_policy`; `PolicyError` where it is none or is a program.

    A program plays a few games at a time, each in a session of its own; training asks for a move in hundreds.
    """
    policy = load_policy(name, symmetries=symmetries)
    if isinstance(policy, SessionPolicy):
        raise PolicyError(
            f"{name} is a program, and training plays hundreds of games side by side; name a bot, a "
            "checkpoint or an ONNX file, and meet programs by `strategos evaluate` and `tournament`"
        )
    return policy
