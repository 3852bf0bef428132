"""A network at the leaves: whose view is read, whose value is whose, and that batching changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from strategos.games import make_game
from strategos.games.blob import Blob
from strategos.nets.cards import encode_cards
from strategos.play.evaluators.mixed import MixedEvaluator
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder


def make_net(game, plane_set: str = "basic", **options):
    torch.manual_seed(0)
    description = describe_network(game.spec, plane_set, False, **options)
    net = build_network(description)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval(), make_encoder(description["planes"], "cpu", False)


def begun(game, count: int, seed: int = 0, most: int = 12) -> np.ndarray:
    """States some random ticks into their games, none of them over."""
    rng = np.random.default_rng(seed)
    states = np.zeros(count, game.state_dtype)
    game.reset(states, rng.integers(0, 2**60, count))
    actions = np.zeros((count, game.spec.num_players), np.int32)
    illegal = np.zeros((count, game.spec.num_players), np.uint8)
    for index in range(count):
        one = slice(index, index + 1)
        for _ in range(int(rng.integers(0, most))):
            after = states[one].copy()
            game.play_randomly(after, actions[one], illegal[one])
            if game.over(after)[0]:
                break
            states[one] = after
    return states


def seen_by(game, states):
    players = game.spec.num_players
    views = np.zeros((len(states), players), game.view_dtype)
    masks = np.zeros((len(states), players, game.spec.mask_bytes), np.uint8)
    game.observe(states, views, masks, np.zeros((0, players), game.memory_dtype))
    return views, masks


BLOB = Blob(4, 5)
SMALL = {"width": 32, "layers": 1}


def test_every_seat_of_blob_judges_itself_and_the_one_to_move_chooses():
    net, _ = make_net(BLOB, **SMALL)
    states = begun(BLOB, 50, most=24)
    logits, values = NetworkEvaluator(BLOB, net).evaluate(BLOB, states)
    assert logits.shape == (50, 1, 70) and values.shape == (50, 4)
    assert logits.dtype == values.dtype == np.float32
    views, masks = seen_by(BLOB, states)
    for game, state in enumerate(states):
        me = int(state["turn"])
        with torch.inference_mode():
            output = net.predict(encode_cards(views[game : game + 1, me], masks[game : game + 1, me]))
        assert np.allclose(logits[game, 0], output.logits[0].numpy(), atol=1e-5)
        with torch.inference_mode():
            scores = net.predict(encode_cards(views[game], masks[game])).scores[:, 0].numpy()
        assert values[game] == pytest.approx(scores - scores.mean(), abs=1e-5)


def test_the_hidden_cards_change_no_policy():
    """Trap 1: the other hands and the stock are shuffled; the policy stays, the others' values follow."""
    net, _ = make_net(BLOB, **SMALL)
    states, rng = begun(BLOB, 40, most=24), np.random.default_rng(1)
    shuffled = states.copy()
    for state in shuffled:
        me = int(state["turn"])
        played = sum(1 << int(card) for card in state["plays"][: state["num_plays"]])
        hidden = [c for c in range(52) if not (int(state["hand"][me]) | played) >> c & 1]
        rng.shuffle(hidden)
        for seat in range(4):
            if seat != me:
                size = int(state["hand"][seat]).bit_count()
                state["hand"][seat] = sum(1 << card for card in hidden[:size])
                hidden = hidden[size:]
    evaluator = NetworkEvaluator(BLOB, net)
    (logits, values), (again, others) = (evaluator.evaluate(BLOB, each) for each in (states, shuffled))
    assert np.array_equal(logits, again) and not np.allclose(values, others)


def test_blob_s_values_turn_with_the_table():
    net, _ = make_net(BLOB, **SMALL)
    states = begun(BLOB, 40, most=24)
    turned = states.copy()
    for name in ("hand", "scores", "bids", "tricks", "voids", "last_scores"):
        turned[name][:, :4] = np.roll(states[name][:, :4], 1, axis=1)
    for name in ("dealer", "turn"):
        turned[name] = (states[name] + 1) % 4
    turned["leaders"] = np.where(states["leaders"] >= 0, (states["leaders"] + 1) % 4, -1)
    evaluator = NetworkEvaluator(BLOB, net)
    (logits, values), (others, rolled) = evaluator.evaluate(BLOB, states), evaluator.evaluate(BLOB, turned)
    assert np.array_equal(logits, others) and np.allclose(np.roll(values, 1, axis=1), rolled, atol=1e-6)


def test_batching_changes_no_answer():
    """Trap 38: alone, together, cut into batches, in any order of sizes, by many threads."""
    net, _ = make_net(BLOB, **SMALL)
    states = begun(BLOB, 70, most=24)
    whole = NetworkEvaluator(BLOB, net).evaluate(BLOB, states)
    used = NetworkEvaluator(BLOB, net, largest_batch=32)
    cut = used.evaluate(BLOB, states)
    alone = [used.evaluate(BLOB, states[index : index + 1]) for index in range(70)]
    for place in range(2):
        assert np.allclose(whole[place], cut[place], atol=1e-5)
        assert np.allclose(whole[place], np.concatenate([each[place] for each in alone]), atol=1e-5)

    def work(worker: int):
        evaluator = NetworkEvaluator(BLOB, net)
        return [evaluator.evaluate(BLOB, states[worker:]) for _ in range(5)][-1]

    with ThreadPoolExecutor(3) as executor:
        for worker, (logits, values) in enumerate(executor.map(work, range(3))):
            assert np.allclose(logits, whole[0][worker:], atol=1e-5)
            assert np.allclose(values, whole[1][worker:], atol=1e-5)


def test_kuhn_has_one_value_with_two_signs():
    game = make_game("kuhn")
    net, encode = make_net(game)
    states = begun(game, 60, most=3)
    logits, values = NetworkEvaluator(game, net, encode).evaluate(game, states)
    views, masks = seen_by(game, states)
    movers = states["tick"] % 2
    with torch.inference_mode():
        rows = np.arange(60)
        answers, own = net(encode(views[rows, movers], masks[rows, movers], None))
    assert set(movers) == {0, 1} and logits.shape == (60, 1, 2)
    assert np.allclose(logits[:, 0], answers.numpy(), atol=1e-6)
    assert np.allclose(values[rows, movers], own.numpy(), atol=1e-6)
    assert np.allclose(values.sum(1), 0)


@pytest.mark.parametrize("plane_set", ["basic", "memory"])
def test_generals_reads_every_player_s_own_view(plane_set):
    game = make_game("generals", height=8, width=8, min_height=6)
    net, encode = make_net(game, plane_set, channels=8, blocks=1, bfloat16=False)
    states = begun(game, 10, most=40)
    evaluator = NetworkEvaluator(game, net, encode)
    for _ in range(2):  # the second call uses the arrays of the first
        logits, values = evaluator.evaluate(game, states)
    views, masks = seen_by(game, states)
    memories = np.zeros((10, 2), game.memory_dtype)
    game.remember(views, memories)
    with torch.inference_mode():
        answers, own = net(encode(views.reshape(-1), masks.reshape(20, -1), memories.reshape(-1)))
    assert np.allclose(logits, answers.numpy().reshape(10, 2, -1), atol=1e-5)
    own = own.numpy().reshape(10, 2)
    assert np.allclose(values[:, 0], (own[:, 0] - own[:, 1]) / 2, atol=1e-5)
    assert np.allclose(values.sum(1), 0, atol=1e-6)


def test_a_card_network_is_a_policy():
    net, encode = make_net(BLOB, **SMALL)
    policy = NetworkPolicy(net, encode)
    states = begun(BLOB, 30, most=24)
    views, masks = seen_by(BLOB, states)
    rows, movers = np.arange(30), states["turn"]
    actions = policy.act(views[rows, movers], masks[rows, movers], None, np.random.default_rng(0))
    joint, illegal = np.zeros((30, 4), np.int32), np.zeros((30, 4), np.uint8)
    joint[rows, movers] = actions
    BLOB.step(states, joint, illegal)
    assert not illegal.any()


def test_a_network_that_cannot_judge_everybody_is_refused():
    kuhn = make_game("kuhn")
    net, encode = make_net(kuhn)
    with pytest.raises(ValueError, match="card network"):
        NetworkEvaluator(BLOB, net, encode)
    with pytest.raises(ValueError, match="encoder"):
        NetworkEvaluator(kuhn, net)


def test_a_mixed_judgement_is_the_mean_of_its_parts():
    net, _ = make_net(BLOB, **SMALL)
    states = begun(BLOB, 30, most=20)
    network, playouts = NetworkEvaluator(BLOB, net), RolloutEvaluator(4)
    logits, values = MixedEvaluator(network, playouts, 0.25).evaluate(BLOB, states.copy())
    expected, judged = network.evaluate(BLOB, states.copy())
    looked = playouts.evaluate(BLOB, states.copy())[1]
    assert np.array_equal(logits, expected)
    assert np.allclose(values, 0.25 * judged + 0.75 * looked, atol=1e-6)
    with pytest.raises(ValueError, match="share is from 0 to 1"):
        MixedEvaluator(network, playouts, 1.5)
