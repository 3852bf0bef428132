"""A league in a report: the payoffs of those who are met, as the run's own files tell them."""

from __future__ import annotations

from small_runs import straight_run

from strategos.evaluate.league_report import show_league
from strategos.evaluate.report import Report, heat, report_page
from strategos.league.population import POPULATION_FOLDER, Member, Population


def test_the_payoffs_of_a_league_are_shown(tmp_path_factory):
    run = straight_run("league", tmp_path_factory.getbasetemp())
    population, shown = Population.load(run / POPULATION_FOLDER), show_league(run)
    assert shown is not None
    assert shown.agents == ["main-1", "main-2", "main-exploiter-1", "league-exploiter-1"]
    names = [name for name, _ in shown.rows]
    retired = [each.name for each in population.members.values() if each.parent and not each.drawn]
    assert {"expander", "random", "main-1", "main-2"} <= set(names)
    assert retired and not set(retired) & set(names) and any("@" in name for name in names)
    met = dict(shown.rows)["expander"][0]
    assert met is not None and met.share == population.payoffs.chance("main-1", "expander")
    assert met.games == population.payoffs.row("main-1")["expander"][0]
    assert dict(shown.rows)["main-1"][0] is None, "nobody meets itself"
    page = report_page(Report(title="a run", league=shown))
    assert 'id="league"' in page and f'background:{heat(met.share)}" title="{met.games} games"' in page


def test_an_agent_that_has_met_bots_only_has_no_league(tmp_path):
    population = Population({}, {})
    population.add(Member("main-1", "main", drawn=False))
    population.add(Member("random", "bot"))
    population.record("main-1", "random", 10, 7)
    population.save(tmp_path / POPULATION_FOLDER)
    assert show_league(tmp_path) is None
    assert 'id="league"' not in report_page(Report(title="a run"))
