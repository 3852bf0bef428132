"""The league of a run: agents that learn side by side, the population they leave behind, who meets whom.

One agent that plays itself is the smallest league. Nothing here plays games: results come in, draws go out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn

from strategos.league.matchmaking import Draw, exploiters_draw, prioritized
from strategos.league.population import POPULATION_FILE, POPULATION_FOLDER, Member, Population
from strategos.league.roles import BOT, LEAGUE_EXPLOITER, MAIN, MAIN_EXPLOITER, Agent, LeagueConfig, agents_of
from strategos.learn.ppo import PPO
from strategos.play.network import build_network
from strategos.ratings.payoff import Result, pool
from strategos.train.devices import plain_tensors

_ENOUGH_GAMES = 30
"""Before an exploiter's share of points against somebody is believed."""


class Learner:
    """An agent, its weights and its optimiser."""

    def __init__(self, agent: Agent, network: nn.Module, make_ppo: Callable[[nn.Module], PPO]) -> None:
        self.name, self.role, self.network = agent.name, agent.role, network
        self._make_ppo = make_ppo
        self.ppo = make_ppo(network)
        self.since = 0.0
        """Progress of the run when an exploiter began anew."""

    def averaged(self, network: nn.Module) -> nn.Module:
        """`network`, with the averaged weights of this moment: the agent that is kept."""
        self.ppo.optimiser.average.copy_to(network.parameters())
        return network

    def begin_anew(self, weights: Mapping[str, torch.Tensor], progress: float) -> None:
        """Go on from other weights, with a new optimiser."""
        self.network.load_state_dict(weights)
        self.ppo = self._make_ppo(self.network)
        self.since = progress

    def files(self) -> dict[str, bytes]:
        """Its part of a checkpoint."""
        return {
            f"{self.name}.weights.safetensors": save(plain_tensors(self.network.state_dict())),
            f"{self.name}.optimiser.safetensors": save(plain_tensors(self.ppo.optimiser.state_tensors())),
        }

    def load(self, files: Mapping[str, bytes]) -> None:
        """Go on where `files` was called."""
        self.network.load_state_dict(load(files[f"{self.name}.weights.safetensors"]))
        self.ppo.optimiser.load_state_tensors(load(files[f"{self.name}.optimiser.safetensors"]))


class League:
    """The learners of a run and its population; `network` and `game` describe what they play with."""

    def __init__(
        self,
        config: LeagueConfig,
        bots: Collection[str],
        network: Mapping,
        game: Mapping,
        device: torch.device,
        make_ppo: Callable[[nn.Module], PPO],
    ) -> None:
        self.config, self.device = config, device
        self._description = network
        self.learners = [Learner(agent, self.build(), make_ppo) for agent in agents_of(config)]
        self.population = Population(network, game)
        for learner in self.learners:
            self.population.add(Member(learner.name, learner.role, drawn=False))
            if learner.role != MAIN:
                learner.begin_anew(self.learners[0].network.state_dict(), 0.0)
        for name in sorted({*bots, *config.bots}):
            self.population.add(Member(name, BOT, drawn=name in config.bots))
        self.mark = 0
        """So many times past selves were asked for. The run's length, and with it its progress, may change
        between two iterations, and a time of asking may then be passed twice."""
        self._frozen: dict[str, nn.Module] = {}

    def build(self) -> nn.Module:
        """A network of the league's kind."""
        return build_network(self._description).to(self.device)

    @property
    def mains(self) -> list[Learner]:
        """The main agents."""
        return self.learners[: self.config.agents]

    @property
    def best(self) -> Learner:
        """The main agent with the highest rating."""
        return max(self.mains, key=lambda learner: self.population.members[learner.name].rating)

    def draws(self) -> list[Draw]:
        """Whom each learner meets in its games against members."""
        return [self._draw(learner) for learner in self.learners]

    def _draw(self, learner: Learner) -> Draw:
        population, config = self.population, self.config
        if learner.role == MAIN_EXPLOITER:
            mains = {main.name: population.payoffs.chance(learner.name, main.name) for main in self.mains}
            return exploiters_draw(mains, population.chances(learner.name, MAIN))
        weighting = "hard" if learner.role == LEAGUE_EXPLOITER else config.matchmaking
        return prioritized(population.chances(learner.name), weighting, config.floor)

    def networks(self, names: Collection[str]) -> dict[str, nn.Module]:
        """Everybody who learns, and those of `names` who are no bots; only these are kept in memory."""
        members = self.population.members
        wanted = {name for name in names if name in members and members[name].digest}
        self._frozen = {name: each for name, each in self._frozen.items() if name in wanted}
        for name in sorted(wanted - self._frozen.keys()):
            network = self.build().eval()
            network.load_state_dict(load(self.population.weights(name)))
            self._frozen[name] = network
        return {learner.name: learner.network for learner in self.learners} | self._frozen

    def record(self, results: Iterable[Result]) -> None:
        """Enter what an iteration's games ended with."""
        for result in pool(results):
            self.population.record(result.first, result.second, result.games, result.points)

    def advance(self, progress: float, samples: int, rng: np.random.Generator) -> None:
        """Let past selves join where it is time, and exploiters that are done begin anew."""
        config = self.config
        mark, before = int(progress / config.every + 1e-9), self.mark
        self.mark = max(mark, before)
        somebody_asks = config.past > 0 or len(self.learners) > len(self.mains)
        if somebody_asks and mark > before:
            for main in self.mains:
                self._join(main, samples, rng)
        for learner in self.learners[len(self.mains) :]:
            tried = progress - learner.since
            if tried >= config.exploiter_patience or (tried >= config.every and self._is_done(learner)):
                self._join(learner, samples, rng)
                learner.begin_anew(self.best.network.state_dict(), progress)
                self.population.begin_anew(learner.name, self.best.name)

    def _is_done(self, learner: Learner) -> bool:
        """Whether an exploiter wins against everybody it is after."""
        if learner.role == MAIN_EXPLOITER:
            after = [main.name for main in self.mains]
        else:
            after = [member.name for member in self.population.drawn()]
        payoffs = self.population.payoffs
        return bool(after) and all(
            payoffs.recent_games(learner.name, name) >= _ENOUGH_GAMES
            and payoffs.chance(learner.name, name) >= self.config.exploiter_wins
            for name in after
        )

    def _join(self, learner: Learner, samples: int, rng: np.random.Generator) -> None:
        """Let a learner's averaged weights of this moment join, and retire one where there are too many."""
        weights = save(plain_tensors(learner.averaged(self.build()).state_dict()))
        self.population.snapshot(learner.name, samples, weights)
        others = self.population.drawn(learner.name)
        if len(others) > self.config.kept:
            self.population.retire(others[int(rng.integers(len(others) - 1))].name)  # the newest stays

    def metrics(self) -> dict[str, float]:
        """Ratings, the number of members, and the best agent's lowest share of points against one of them."""
        members, chances = self.population.members, self.population.chances(self.best.name)
        found: dict[str, float] = {}
        if len(self.learners) > 1:
            found |= {f"rating/{each.name}": members[each.name].rating for each in self.learners}
        if chances:
            found |= {"league/members": float(len(chances)), "league/worst": min(chances.values())}
        return found

    def kind_of(self, name: str) -> str:
        """What a metric calls an opponent that does not learn: a bot's name, `past` or `exploiters`."""
        role = self.population.members[name].role
        return name if role == BOT else "past" if role == MAIN else "exploiters"

    def save(self, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Files of a checkpoint, and its plain data; members are written below `folder`."""
        files = {POPULATION_FILE: self.population.save(folder / POPULATION_FOLDER)}
        for learner in self.learners:
            files |= learner.files()
        since = {learner.name: learner.since for learner in self.learners}
        return files, {"since": since, "mark": self.mark}

    def load(self, files: Mapping[str, bytes], saved: Mapping[str, Any], folder: Path) -> None:
        """Go on where `save` was called; `PolicyError` for a member that is damaged."""
        self.population = Population.load(folder / POPULATION_FOLDER, files[POPULATION_FILE])
        self.population.tidy(folder / POPULATION_FOLDER)
        for learner in self.learners:
            learner.load(files)
            learner.since = float(saved["since"][learner.name])
        self.mark = int(saved["mark"])
