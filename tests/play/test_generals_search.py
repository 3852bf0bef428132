"""Generals by search: the scripted evaluation, mates and defences on the board, the bots called mcts-N."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.games.generals.game import Generals
from strategos.games.generals.notation import parse_state
from strategos.games.generals.record import LEFT, RULESETS
from strategos.games.kuhn.game import Kuhn
from strategos.play.agents import load_policy
from strategos.play.bots import BOTS
from strategos.play.evaluators.generals import ScriptedEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.generals_beliefs import GeneralsBeliefs
from strategos.play.match import play_match
from strategos.play.policy import PolicyError
from strategos.play.search import SearchConfig
from strategos.play.search_bots import MctsBot, SearchPolicy, split_simulations

SEATS = {"first seat": str.maketrans("AB", "AB"), "second seat": str.maketrans("AB", "BA")}

# A to move; B's first tile in DEFENCES threatens A's general.
MATES = {
    "in the open": (
        "generalsio",
        """
        tick: 40
        A3!  .    .    .    B2
        .    .    .    B3   .
        .    A1   A9   B4!  .
        .    .    .    .    .
        .    .    .    .    B2
        """,
    ),
    "beside a bigger army": (
        "duel",
        """
        tick: 81
        A4!  A2   #    .
        B9   .    .    #
        B2   B3!  A5   A1
        .    #    .    .
        """,
    ),
    "with much else to take": (
        "competition",
        """
        tick: 120
        A9!  B1   B1   B1   B1   B1
        A9   B1   B1   B1   #    B1
        A9   B1   B1   B1   A1   A7
        A9   B1   B1   B1   #    B5!
        A9   B1   B1   B1   B1   B1
        A9   A2   A3   A30  A2   B1
        """,
    ),
    "down a corridor": (
        "classic",
        """
        tick: 33
        A3!  #   A12  #   .
        .    #   A14  #   .
        .    .   B6!  .   B20
        ^44  #   B2   #   .
        """,
    ),
}
DEFENCES = {
    "kill the attacker": """
        tick: 40
        A2!  B9   A20  .    .
        .    .    .    .    .
        .    .    .    .    .
        .    .    .    .    B4!
    """,
    "stand by the general": """
        tick: 41
        A2!  B9   .    .
        A20  .    .    .
        .    .    .    .
        .    .    .    B4!
    """,
    "strike first": """
        tick: 40
        A2!  B9   .    .    .
        .    .    .    .    .
        .    .    .    A30  B4!
        .    .    .    .    .
    """,
}


def observed(game, state, seat, before=()):
    """View, mask and memory [1] of a seat; `before` are the positions that it has seen so far."""
    views = np.zeros((1, game.players), game.view_dtype)
    masks = np.zeros((1, game.players, game.spec.mask_bytes), np.uint8)
    memories = np.zeros((1, game.players), game.memory_dtype)
    for each in (*before, state):
        game.observe(np.array([each]), views, masks, memories)
    return views[:, seat], masks[:, seat], memories[:, seat]


def position(text, ruleset="generalsio"):
    """A picture on a padded board, so that the kernels are compiled for one size alone, and its game."""
    return Generals(6, 6, 2, ruleset=ruleset), parse_state(f"rules: {ruleset}\npadded: 6x6\n{text}")


def searcher(game, simulations, name="search"):
    worlds, each = split_simulations(simulations)
    config = SearchConfig(worlds=worlds, simulations=each, gumbel_scale=0.0, depth=8)
    return SearchPolicy(game, GeneralsBeliefs(game), ScriptedEvaluator(), config, name)


def act(bot, views, masks, memories, seed=0):
    return int(bot.act(views, masks, memories, np.random.default_rng(seed))[0])


def after(game, state, me, action, answer=None):
    """The position and my return after one tick; the other side passes or plays its `answer`."""
    states = np.array([state])
    actions = np.full((1, game.players), game.pass_action, np.int32)
    actions[0, me] = action
    if answer is not None:
        actions[0, 1 - me] = answer
    illegal = np.zeros(actions.shape, np.uint8)
    game.step(states, actions, illegal)
    assert not illegal.any()
    returns = np.zeros((1, game.players), np.float32)
    game.returns(states, returns)
    return states[0], returns[0, me]


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("name", MATES)
def test_a_mate_in_one_is_played(name, seat):
    ruleset, text = MATES[name]
    game, state = position(text.translate(SEATS[seat]), ruleset)
    me = list(SEATS).index(seat)
    seen = observed(game, state, me)
    for seed in range(4):
        for bot in (searcher(game, 100), MctsBot(100)):
            action = act(bot, *seen, seed)
            assert after(game, state, me, action)[1] == 1, (bot.name, action >> 3, action & 7)


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("ruleset", ["generalsio", "duel"])
@pytest.mark.parametrize("name", DEFENCES)
def test_a_mate_threat_is_met(name, ruleset, seat):
    """The attacker moves in the same tick: only an answer that comes before the blow is one."""
    game, state = position(DEFENCES[name].translate(SEATS[seat]), ruleset)
    me = list(SEATS).index(seat)
    blow = 1 * 8 + 2 * LEFT
    assert after(game, state, me, game.pass_action, blow)[1] == -1
    seen = observed(game, state, me)
    for seed in range(4):
        action = act(searcher(game, 100), *seen, seed)
        assert after(game, state, me, action, blow)[1] >= 0, (action >> 3, action & 7)


@pytest.mark.parametrize("seat", SEATS)
def test_a_general_that_is_only_remembered_is_found_again(seat):
    """The scout that saw it is gone; the stack three steps away goes there and takes it."""
    scene = """
        tick: {tick}
        A3!  .    .    .    .    .
        .    .    .    .    .    .
        .    .    A30  .    {scout}   B4!
        .    .    .    .    .    .
        .    .    .    .    .    .
    """
    game, before = position(scene.format(tick=40, scout="A1").translate(SEATS[seat]))
    _, state = position(scene.format(tick=41, scout="B2").translate(SEATS[seat]))
    me = list(SEATS).index(seat)
    past = [before]
    for _ in range(3):
        views, masks, memories = observed(game, state, me, past)
        assert memories["general"][0, 1 - me] == 17
        past.append(state)
        state, won = after(game, state, me, act(MctsBot(100), views, masks, memories))
    assert won == 1


def test_the_answer_does_not_depend_on_the_truth():
    """Positions that look the same are answered the same, whatever is hidden in them. (TRAPS 21.)"""
    game = Generals(6, 6, 2)
    batch = Batch(game, 4, seed=2)
    batch.reset()
    for _ in range(40):
        batch.step_randomly()
    views, masks = batch.observation.views[:, 0], batch.observation.masks[:, 0]
    memories = batch.observation.memories[:, 0]
    bot = MctsBot(50)
    answers = bot.act(views, masks, memories, np.random.default_rng(1))
    for truth in GeneralsBeliefs(game).sample(views, memories, np.arange(4), 3).T:
        told = np.zeros((4, 2), game.view_dtype)
        legal = np.zeros((4, 2, game.spec.mask_bytes), np.uint8)
        kept = np.repeat(memories[:, None], 2, axis=1)
        game.observe(truth.copy(), told, legal, kept)
        again = bot.act(told[:, 0], legal[:, 0], kept[:, 0], np.random.default_rng(1))
        assert again.tolist() == answers.tolist()


LAYOUTS = {
    "mixed sizes": Generals(6, 6, 2, min_height=4, min_width=4),
    "duel": Generals(6, 6, 2, ruleset="duel"),
    "builds": Generals(6, 6, 2, ruleset="competition"),
    "everyone alone": Generals(9, 8, 4, ruleset="classic"),
    "teams": Generals(9, 8, 4, teams=(0, 1, 0, 1)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_mcts_plays_every_kind_of_board_and_answers_a_row_alike_alone(name):
    game = LAYOUTS[name]
    batch = Batch(game, 4, seed=6, tick_limit=200, autoreset="same_step")
    batch.reset()
    bot, rng = MctsBot(24), np.random.default_rng(0)
    seen, actions = batch.observation, np.zeros((4, game.players), np.int32)
    for tick in range(60):
        batch.random_actions(actions)
        if tick % 2:
            for seat in range(game.players):
                views, masks, memories = seen.views[:, seat], seen.masks[:, seat], seen.memories[:, seat]
                chosen = bot.act(views, masks, memories, rng)
                legal = np.unpackbits(masks, axis=-1, count=game.num_actions, bitorder="little")
                assert chosen.dtype == np.int32 and legal[np.arange(4), chosen].all()
                actions[:, seat] = chosen
        batch.step(actions)
        assert not batch.illegal.any()
    before = views.tobytes(), masks.tobytes(), memories.tobytes()
    together = bot.act(views, masks, memories, np.random.default_rng(4))
    assert (views.tobytes(), masks.tobytes(), memories.tobytes()) == before
    rng = np.random.default_rng(4)
    rows = [slice(row, row + 1) for row in range(4)]
    assert [int(bot.act(views[r], masks[r], memories[r], rng)[0]) for r in rows] == together.tolist()
    assert len(bot.act(views[:0], masks[:0], memories[:0], rng)) == 0


@pytest.mark.parametrize("ruleset", RULESETS)
def test_mcts_searches_by_the_rules_of_the_board(ruleset):
    game = Generals(6, 6, 2, ruleset=ruleset)
    batch = Batch(game, 1, seed=1)
    batch.reset()
    seen, bot = batch.observation, MctsBot(1)
    bot.act(seen.views[:, 0], seen.masks[:, 0], seen.memories[:, 0], np.random.default_rng(0))
    (searched,) = bot._searches.policies.values()
    assert searched.game.rules == game.rules


@pytest.mark.parametrize("rival", ["random", "expander"])
def test_mcts_beats_the_simple_bots(rival):
    game = Generals(6, 6, 2)
    match = play_match(game, [MctsBot(100), BOTS[rival]()], num_games=8, seed=5, tick_limit=300)
    assert match.wins[0] >= 7 and not match.illegal.any()


def test_mcts_plays_blob():
    game = make_game("blob", players=3, cards=3)
    batch = Batch(game, 6, seed=2)
    batch.reset()
    bot, rng, seen = MctsBot(30), np.random.default_rng(0), batch.observation
    actions = np.zeros((6, 3), np.int32)
    for _ in range(game.spec.max_ticks):
        for seat in range(3):
            actions[:, seat] = bot.act(seen.views[:, seat], seen.masks[:, seat], None, rng)
        batch.step(actions)
        assert not batch.illegal.any()
    assert batch.terminated.all()


def test_mcts_by_name():
    for name in ("mcts-100", "mcts-800"):
        assert name in BOTS and BOTS[name]().name == name
    bot = load_policy("mcts-32")
    assert isinstance(bot, MctsBot) and bot.simulations == 32
    for wrong in ("mcts-0", "mcts-1000001"):
        with pytest.raises(PolicyError, match=f"no player '{wrong}': a move takes 1 to 1000000 simulations"):
            load_policy(wrong)
    with pytest.raises(PolicyError, match="did you mean 'mcts-"):
        load_policy("mcts-1x0")
    assert [split_simulations(count) for count in (1, 24, 100, 800)] == [(1, 1), (1, 24), (4, 25), (8, 100)]


def test_mcts_may_be_asked_from_many_threads_at_once():
    """Trainers share a bot between their workers; the search objects behind it may not be shared."""
    game = make_game("blob", players=4, cards=5)
    batch = Batch(game, 16, seed=4)
    batch.reset()
    seen, bot = batch.observation, MctsBot(64)
    rows = np.arange(16), batch.states["turn"]
    views, masks = seen.views[rows], seen.masks[rows]
    alone = bot.act(views, masks, None, np.random.default_rng(3))
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(bot.act, views, masks, None, np.random.default_rng(3)) for _ in range(24)]
        assert all(each.result().tolist() == alone.tolist() for each in asked)


def test_mcts_refuses_what_it_cannot_play():
    batch = Batch(Kuhn(), 1, seed=1)
    batch.reset()
    seen = batch.observation
    with pytest.raises(ValueError, match="plays generals and blob"):
        MctsBot(10).act(seen.views[:, 0], seen.masks[:, 0], None, np.random.default_rng(0))
    game, state = position(MATES["in the open"][1])
    views, masks, _ = observed(game, state, 0)
    with pytest.raises(ValueError, match="needs the memories"):
        MctsBot(10).act(views, masks, None, np.random.default_rng(0))


def swapped(state):
    """The position with the two players' seats exchanged."""
    other = state.copy()
    for field in ("army_total", "land_total", "general", "death", "stacks", "status"):
        other[field] = state[field][::-1]
    owner = state["owner"]
    other["owner"] = np.where(owner >= 0, 1 - owner, owner)
    return other


def test_values_are_antisymmetric_and_logits_belong_to_the_colour():
    game = Generals(6, 6, 2)
    batch = Batch(game, 20, seed=3)
    batch.reset()
    for _ in range(60):
        batch.step_randomly()
    states = batch.states[~game.over(batch.states)]
    evaluator = ScriptedEvaluator()
    logits, values = evaluator.evaluate(game, states)
    assert logits.shape == (len(states), 2, game.num_actions) and values.shape == (len(states), 2)
    assert logits.dtype == values.dtype == np.float32 and np.isfinite(logits).all()
    assert np.abs(values.sum(axis=1)).max() < 1e-6 and np.abs(values).max() <= 1
    other_logits, other_values = evaluator.evaluate(game, np.array([swapped(state) for state in states]))
    assert np.allclose(other_values, values[:, ::-1], atol=1e-6)
    assert np.allclose(other_logits, logits[:, ::-1], atol=1e-5)
    for row in range(3):
        alone = evaluator.evaluate(game, states[row : row + 1])
        assert (alone[0] == logits[row]).all() and (alone[1] == values[row]).all()


def test_values_follow_the_scale_of_the_returns_in_teams():
    game = Generals(9, 8, 4, teams=(0, 0, 1, 2))
    batch = Batch(game, 8, seed=3)
    batch.reset()
    for _ in range(150):
        batch.step_randomly()
    values = ScriptedEvaluator().evaluate(game, batch.states)[1]
    assert (values[:, 0] == values[:, 1]).all()
    assert np.abs(values[:, 1:].sum(axis=1)).max() < 1e-6
    assert values.min() >= -0.5 and values.max() <= 1


def test_values_know_who_is_ahead_and_who_is_about_to_win():
    evaluator = ScriptedEvaluator()
    game, mate = position(MATES["in the open"][1])
    _, ahead = position(MATES["in the open"][1].replace("A9", "A4").replace("A3!", "A30!"))
    _, behind = position(MATES["in the open"][1].replace("A9", "A1").replace("B3 ", "B40"))
    values = evaluator.evaluate(game, np.array([mate, ahead, behind]))[1][:, 0]
    assert values[0] > 0.3 and values[1] > 0.3 and values[2] < -0.3


@pytest.mark.parametrize("name", MATES)
def test_the_mate_has_the_highest_logit(name):
    ruleset, text = MATES[name]
    game, state = position(text, ruleset)
    logits = ScriptedEvaluator().evaluate(game, np.array([state]))[0][0, 0]
    legal = np.zeros((1, 2, game.spec.mask_bytes), np.uint8)
    game.legal(np.array([state]), legal)
    is_legal = np.unpackbits(legal[0, 0], count=game.num_actions, bitorder="little").astype(bool)
    assert after(game, state, 0, int(np.where(is_legal, logits, -np.inf).argmax()))[1] == 1


def test_rollouts_leave_the_states_alone_and_average_what_the_game_says():
    game = Generals(6, 6, 2)
    batch = Batch(game, 5, seed=3)
    batch.reset()
    for _ in range(120):
        batch.step_randomly()
    states = batch.states[~game.over(batch.states)]
    before = states.tobytes()
    logits, values = RolloutEvaluator(64).evaluate(game, states)
    assert logits is None and states.tobytes() == before
    assert values.shape == (len(states), 2) and np.abs(values.sum(axis=1)).max() < 1e-6
    assert (np.abs(values) < 1).any(), "playouts of one position must differ"
    scripted = ScriptedEvaluator()
    logits, short = RolloutEvaluator(8, limit=1, unfinished=scripted).evaluate(game, states)
    still_logits, still = scripted.evaluate(game, states)
    assert (logits == still_logits).all()
    assert np.abs(short - still).mean() < 0.2 and (short != still).any()
    for bad in ({"rollouts": 0}, {"limit": -1}, {"unfinished": scripted}):
        with pytest.raises(ValueError, match="rollout"):
            RolloutEvaluator(**bad)
