"""A population of policies on disk: who is in it, since when, how strong, and what they make of each other.

A folder of its own for every member with weights, which plays like any checkpoint, and `population.json`. The
weights of a member never change, so each is written once; all is written beside and renamed. Which members
there are is in the population's own data, which a checkpoint carries: a run that goes on from an earlier
moment knows nothing of members that were born later.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strategos.durable import TEMPORARY, write_atomically, write_folder_atomically
from strategos.league.payoffs import Payoffs
from strategos.play.checkpoint_files import META_FILE, WEIGHTS_FILE, checked_bytes, pack_meta, read_meta
from strategos.ratings.elo import update

POPULATION_FOLDER, POPULATION_FILE = "league", "population.json"
_START_RATING = 1500.0
_RATING_STEP = 4.0
"""Elo points that one game moves at most; hundreds of games are played between two looks."""


@dataclass
class Member:
    """One of a population."""

    name: str
    role: str
    parent: str = ""
    """The agent whose weights of one moment these are; empty for agents that learn, and for bots."""
    samples: int = 0
    """Of the run at its birth."""
    rating: float = _START_RATING
    """Sequential Elo over the games of training: for watching. Rate by a tournament."""
    digest: str = ""
    """SHA-256 of the weights in hexadecimal, where they are kept here."""
    drawn: bool = True
    """Whether matchmaking draws it; those who learn are met otherwise."""


class Population:
    """All members by name in the order of birth, and their payoffs."""

    def __init__(self, network: Mapping[str, Any], game: Mapping[str, Any]) -> None:
        self.network, self.game = dict(network), dict(game)
        self.members: dict[str, Member] = {}
        self.payoffs = Payoffs()
        self._unwritten: dict[str, bytes] = {}
        self._folder: Path | None = None

    def add(self, member: Member, weights: bytes | None = None) -> Member:
        """Take in a member, with `weights` (safetensors) where they do not change any more."""
        if weights is not None:
            member.digest = hashlib.sha256(weights).hexdigest()
            self._unwritten[member.name] = weights
        self.members[member.name] = member
        return member

    def snapshot(self, name: str, samples: int, weights: bytes) -> Member:
        """Take in the agent `name` as it is now, with its rating and its results."""
        agent = self.members[name]
        member = Member(f"{name}@{samples}", agent.role, name, samples, agent.rating)
        self.payoffs.copy_row(name, member.name)
        return self.add(member, weights)

    def drawn(self, parent: str | None = None) -> list[Member]:
        """Those who are drawn from, of one parent or all: past selves, exploiters of other days, and bots."""
        return [each for each in self.members.values() if each.drawn and parent in (None, each.parent)]

    def chances(self, name: str, role: str | None = None) -> dict[str, float]:
        """The chance of `name` to beat each of those who are drawn, of one role or all."""
        return {
            each.name: self.payoffs.chance(name, each.name)
            for each in self.drawn()
            if role in (None, each.role)
        }

    def record(self, name: str, other: str, games: int, points: float) -> None:
        """Enter games of training into payoffs and ratings; see `Payoffs.add`."""
        self.payoffs.add(name, other, games, points)
        one, two = self.members[name], self.members[other]
        for _ in range(games):
            one.rating, two.rating = update(one.rating, two.rating, points / games, _RATING_STEP)

    def begin_anew(self, name: str, parent: str) -> None:
        """Forget the results of the agent `name`, which has taken over the weights of `parent`."""
        self.payoffs.forget(name)
        self.members[name].rating = self.members[parent].rating

    def retire(self, name: str) -> None:
        """Draw a member no more; its weights stay."""
        self.members[name].drawn = False

    def weights(self, name: str) -> bytes:
        """The weights of a member, checked by their hash; `PolicyError` where they are damaged."""
        if name in self._unwritten:
            return self._unwritten[name]
        assert self._folder is not None, "what is not in memory was saved"
        folder = self._folder / name
        return checked_bytes(folder, WEIGHTS_FILE, {"files": {WEIGHTS_FILE: self.members[name].digest}})

    def save(self, folder: Path) -> bytes:
        """Write to `folder` what is new, and return the population's own data, which `load` takes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, weights in self._unwritten.items():
            write_folder_atomically(
                folder / name, {WEIGHTS_FILE: weights, META_FILE: self._meta(self.members[name])}
            )
        self._unwritten, self._folder = {}, folder
        data = json.dumps(
            {
                "network": self.network,
                "game": self.game,
                "members": [asdict(member) for member in self.members.values()],
                "payoffs": self.payoffs.save(),
            },
            indent=1,
        ).encode()
        write_atomically(folder / POPULATION_FILE, data)
        return data

    def _meta(self, member: Member) -> bytes:
        return pack_meta(
            {
                "network": self.network,
                "game": self.game,
                "run": member.parent,
                "samples": member.samples,
                "files": {WEIGHTS_FILE: member.digest},
            }
        )

    @classmethod
    def load(cls, folder: Path, data: bytes | None = None) -> Population:
        """The population that `save` wrote, as it stood when it gave `data` (without it: the last time).

        `PolicyError` for a member whose weights are damaged or missing; `ValueError` for other data.
        """
        saved = json.loads(data if data is not None else (folder / POPULATION_FILE).read_bytes())
        population = cls(saved["network"], saved["game"])
        for each in saved["members"]:
            population.add(Member(**each))
        population.payoffs = Payoffs.load(saved["payoffs"])
        population._folder = folder
        for member in population.members.values():
            if member.digest:
                read_meta(folder / member.name)
                population.weights(member.name)
        return population

    def tidy(self, folder: Path) -> None:
        """Remove from `folder` what a killed writer left, and members that this population never had."""
        for path in folder.iterdir():
            if path.name.startswith(TEMPORARY):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir() and path.name not in self.members:
                shutil.rmtree(path)
