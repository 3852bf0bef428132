"""What runs inside a submission to the ladder: the network beside it plays the game on standard input.

Imported from the unpacked zip alone (see `packing.py`), by a Python that has numpy, torch, numba and
safetensors and nothing of ours. Kernels are not compiled there (`NUMBA_DISABLE_JIT`): compiling takes longer
than the first move may, and one board a move is little enough for plain Python.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from strategos.nets.symmetric import SymmetricNet
from strategos.play.line_player import LinePlayer, play_lines
from strategos.play.line_protocol import Greeting
from strategos.play.network import NetworkPolicy, build_network, make_encoder, plane_set_of
from strategos.play.policy import Policy

ABOUT_FILE = "agent.json"
WEIGHTS_FILE = "agent.safetensors"
LATE_S = 0.1
"""An answer that took so long is a warning: the ladder waits 0.15 s."""
_NETWORK_EVENTS = tuple(
    f"socket.{name}" for name in ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostby")
)


class Careful:
    """`careful` as long as it answers well in time; `quick` from the second answer on that it does not.

    The first answer is not counted: it comes with all that is done once. Whatever goes wrong inside of a
    policy is a pass and a line on standard error, not the end of the program, which would lose the game.
    In a `trial` it is the end: who only passes must not be taken for a player.
    """

    def __init__(self, careful: Policy, quick: Policy, pass_action: int, *, trial: bool = False) -> None:
        self.name, self.pass_action, self._trial = careful.name, pass_action, trial
        self._policy, self._quick = careful, quick
        self._answers = self._late = 0

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose an action [1] int32; see `Policy.act`."""
        began = time.perf_counter()
        try:
            action = self._policy.act(views, masks, memories, rng)
        except Exception as error:  # any: a program that ends has lost
            told = " ".join(f"tick {views['tick'][0]}: {type(error).__name__}: {error}".split())
            print(told, file=sys.stderr, flush=True)
            if self._trial:
                raise SystemExit(1) from None
            return np.array([self.pass_action], np.int32)
        self._late += self._answers > 0 and time.perf_counter() - began > LATE_S
        self._answers += 1
        if self._late == 2:
            self._policy = self._quick
        return action


def sit_down(folder: Path, greeting: Greeting, *, trial: bool = False) -> LinePlayer:
    """The player of the submission in `folder` at the game of `greeting`."""
    about: dict[str, Any] = json.loads((folder / ABOUT_FILE).read_text("utf-8"))
    described = about["network"]
    network = build_network(described)
    network.load_state_dict(load((folder / WEIGHTS_FILE).read_bytes()))
    network.eval()
    encode = make_encoder(plane_set_of(described), "cpu", described["bfloat16"])

    def policy(seen: torch.nn.Module) -> NetworkPolicy:
        return NetworkPolicy(seen, encode, name=about["name"], temperature=about["temperature"])

    quick = policy(network)
    careful = policy(SymmetricNet(network)) if about["all_sides"] else quick
    player = LinePlayer(quick, greeting, builds=described.get("builds", False), rng=np.random.default_rng())
    player.policy = Careful(careful, quick, player.pass_action, trial=trial)
    return player


def main(folder: Path, *, trial: bool = False) -> None:
    """Play the game on standard input, on one core. In a `trial` the first error ends the program, and
    Python reaches no network."""
    torch.set_num_threads(1)
    if trial:
        sys.addaudithook(_refuse_network)
    play_lines(lambda greeting: sit_down(folder, greeting, trial=trial), sys.stdin.buffer, sys.stdout.buffer)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_NETWORK_EVENTS):
        raise PermissionError("the ladder has no network")
