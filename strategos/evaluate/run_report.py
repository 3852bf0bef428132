"""What a finished run has to show: the final matches, ratings, curves and the report in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from strategos.evaluate.blob_report import add_contests, add_history, commands
from strategos.evaluate.contests import Contest
from strategos.evaluate.judged import judged_rows, read_judged
from strategos.evaluate.ladder import Rung, Size, climb
from strategos.evaluate.league_report import show_league
from strategos.evaluate.machine import describe
from strategos.evaluate.report import Report, curves_png, record_game, replay_of_record, write_report
from strategos.evaluate.stage_report import show_stages
from strategos.evaluate.standings import Standings, standings
from strategos.games import make_game
from strategos.play.agents import find_checkpoint, load_policy
from strategos.play.bots import anchor_among
from strategos.play.checkpoint_files import read_meta
from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy
from strategos.play.policy import Policy
from strategos.play.record import write_records
from strategos.train.config import TrainConfig
from strategos.train.config_files import to_toml
from strategos.train.loop import read_run_config
from strategos.train.metrics import read_metrics

REPORT_FILE, CURVES_FILE, GAMES_FOLDER = "report.html", "curves.png", "games"
_REPORT_SEED = 20_260_000
"""Boards of the final matches: no board of the evaluations while training is among them."""


@dataclass
class RunReport:
    """The results and where they were written."""

    rungs: list[Rung]
    contests: list[Contest]
    standings: Standings | None
    report: Path
    curves: Path | None


def report_run(
    run_dir: Path, *, games: int = 512, on_rung: Callable[[Rung | Contest], None] | None = None
) -> RunReport:
    """Measure the best agent of a run against the bots and write `report.html` and `curves.png`.

    Of Blob, `games` is the number of deals (twice as many without search). Of Generals for more than two and
    of Kuhn poker there are no matches: the report has the curves only. Raises `PolicyError` where the run has
    no checkpoint and `RunError` where it is no run.
    """
    config = read_run_config(run_dir)
    checkpoint = find_checkpoint(run_dir)
    meta, rows = read_meta(checkpoint), read_metrics(run_dir)
    agent = load_policy(checkpoint, temperature=config.evaluation.temperature)
    agent.name = run_dir.name
    report = Report(
        title=f"{run_dir.name}: a {config.game.name} agent trained by self-play",
        subtitle=f"{meta['samples']:,} samples of experience; the averaged weights of {checkpoint.name}",
        facts=_facts(rows, meta),
        curves_png=curves_png([*rows, *judged_rows(read_judged(run_dir))]),
        config=to_toml(config),
        machine=describe(),
    )
    rungs: list[Rung] = []
    table: Standings | None = None
    if config.game.name == "generals" and config.game.players == 2:
        rungs, table = _matches(config, agent, games, on_rung)
        report.rungs, report.ratings = rungs, table.ratings
        report.anchor, report.payoff = table.anchor, table.payoff
        report.replay = _game_to_watch(config, agent, run_dir)
        report.commands = [
            ("play against it", f"strategos play {run_dir}"),
            ("measure it again", f"strategos evaluate {run_dir}"),
            ("train a stronger one", "strategos train --preset laptop"),
        ]
    contests: list[Contest] = []
    if "curriculum" in meta:
        newest = read_meta(find_checkpoint(f"{run_dir}@latest"))
        report.stages = show_stages(config.stages, newest["curriculum"]["history"])
        report.league = show_league(run_dir)
    if "champions" in meta:
        add_history(report, config, meta, rows)
    if config.game.name == "blob":
        assert isinstance(agent, NetworkPolicy)
        contests = add_contests(report, config, agent, deals=games, on_contest=on_rung)
        report.commands = commands(run_dir)
    curves = None
    if report.curves_png:
        curves = run_dir / CURVES_FILE
        curves.write_bytes(report.curves_png)
    return RunReport(rungs, contests, table, write_report(report, run_dir / REPORT_FILE), curves)


def _facts(rows: list[dict], meta: dict) -> list[tuple[str, str]]:
    facts = [("samples", f"{meta['samples'] / 1e6:.2f} M")]
    learning = [row for row in rows if not row.get("evaluation")]
    if learning:
        last = learning[-1]
        facts.append(("minutes of training", f"{last['elapsed_s'] / 60:.1f}"))
        facts.append(("samples a second", f"{last['samples'] / max(last['elapsed_s'], 1e-9):,.0f}"))
    return facts


def _boards(config: TrainConfig) -> list[Size]:
    """The boards of the last stage of the curriculum."""
    return list(dict.fromkeys((board.height, board.width) for board in config.stages[-1].boards))


def _matches(
    config: TrainConfig, agent: Policy, games: int, on_rung: Callable[[Rung | Contest], None] | None
) -> tuple[list[Rung], Standings]:
    """The agent against the bots on every board, and the bots among themselves so that all are rated."""
    bots = [load_policy(name) for name in config.evaluation.against]
    limit, sizes = config.evaluation.tick_limit, _boards(config)
    rungs = climb(
        agent,
        bots,
        sizes=sizes,
        games=games,
        seed=_REPORT_SEED,
        tick_limit=limit,
        ruleset=config.game.ruleset,
        on_rung=on_rung,
    )
    results = [rung.result() for rung in rungs]
    for height, width in sizes:
        game = make_game("generals", height=height, width=width, ruleset=config.game.ruleset)
        for pair in combinations(bots, 2):
            match = play_match(game, list(pair), num_games=games, seed=_REPORT_SEED, tick_limit=limit)
            results.append(match.result())
    return rungs, standings(results, anchor=anchor_among(config.evaluation.against))


def _game_to_watch(config: TrainConfig, agent: Policy, run_dir: Path) -> dict:
    """A game against the strongest bot on the largest board; it is kept among the run's games too."""
    height, width = max(_boards(config))
    game = make_game("generals", height=height, width=width, ruleset=config.game.ruleset)
    opponent = load_policy(config.evaluation.against[-1])
    record = record_game(
        game, [agent, opponent], seed=_REPORT_SEED + 1, tick_limit=config.evaluation.tick_limit
    )
    write_records(run_dir / GAMES_FOLDER, [record])
    return replay_of_record(record, f"{agent.name} against {opponent.name}, {height}x{width}")
