"""Curricula: on at the win rate, back only below the lower one, and the history that says when."""

from __future__ import annotations

import json

from strategos.train.curriculum import Curriculum
from strategos.train.stages import StageConfig

STAGES = (
    StageConfig(advance=0.6, games=100),
    StageConfig(advance=0.6, back=0.3, games=100),
    StageConfig(back=0.3, games=100),
)


def test_a_stage_is_left_at_its_win_rate_and_not_before():
    curriculum = Curriculum(STAGES)
    curriculum.count(99, 99)
    assert curriculum.win_rate is None and not curriculum.move(0.5, 10), "too few games"
    curriculum.count(41, 0)
    assert curriculum.win_rate is not None and curriculum.move(0.5, 20) and curriculum.stage == 1
    assert curriculum.games == 0 and curriculum.win_rate is None, "a stage is judged by its own games"
    assert curriculum.history == [{"samples": 20, "from": 0, "to": 1, "win_rate": 99 / 140}]


def test_between_the_two_rates_nothing_moves():
    """Hysteresis: 0.3 to 0.6 keeps the second stage, which 0.6 began."""
    curriculum = Curriculum(STAGES)
    curriculum.stage = 1
    for wins in (59, 31, 45, 59, 31):
        curriculum.count(100, wins)
        assert not curriculum.move(0.5, 1)
    for _ in range(6):
        curriculum.count(100, 10)
    assert curriculum.move(0.5, 2) and curriculum.stage == 0
    assert curriculum.history[-1]["from"] == 1 and curriculum.history[-1]["win_rate"] < 0.3


def test_old_games_fade():
    curriculum = Curriculum(STAGES)
    curriculum.count(10_000, 0)
    for _ in range(8):
        curriculum.count(100, 100)
    assert curriculum.win_rate is not None and curriculum.win_rate > 0.99


def test_there_is_nothing_before_the_first_and_after_the_last_stage():
    curriculum = Curriculum(STAGES)
    curriculum.count(200, 0)
    assert not curriculum.move(0.5, 1)
    curriculum.stage = 2
    curriculum.count(200, 200)
    assert not curriculum.move(0.5, 1)


def test_stages_by_progress_follow_it_and_nothing_else():
    curriculum = Curriculum((StageConfig(), StageConfig(start=0.4), StageConfig(start=0.7)))
    curriculum.count(1000, 1000)
    assert not curriculum.move(0.39, 1)
    assert curriculum.move(0.4, 2) and curriculum.stage == 1
    assert curriculum.move(0.9, 3) and curriculum.stage == 2
    assert [move["win_rate"] for move in curriculum.history] == [None, None]
    assert curriculum.metrics() == {"stage": 2.0, "stage_moves": 2.0}


def test_a_curriculum_comes_back_exactly():
    curriculum = Curriculum(STAGES)
    for wins in (70, 33, 50):
        curriculum.count(100, wins)
        curriculum.move(0.5, wins)
    again = Curriculum(STAGES)
    again.load(json.loads(json.dumps(curriculum.save())))
    assert again.save() == curriculum.save() and again.metrics() == curriculum.metrics()
    assert again.metrics()["stage_advance"] == 0.6 and again.metrics()["stage_back"] == 0.3
