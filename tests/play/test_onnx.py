"""Agents as ONNX files: the same answers as the network, on any board; one clear line for other files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save

from strategos.cli import main
from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.nets.card_features import INPUTS
from strategos.play.agents import game_of, load_network, load_policy
from strategos.play.bots import RandomBot
from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.play.onnx import METADATA_KEY, OnnxNetwork, load_onnx_policy, write_onnx
from strategos.play.policy import PolicyError

CLOSE = {"atol": 1e-5, "rtol": 1e-6}
GRID = describe_network(
    make_game("generals", height=8, width=8).spec,
    "memory",
    builds=False,
    channels=8,
    blocks=2,
    attention=True,
    heads=2,
    bfloat16=True,
)
CARDS = {"kind": "cards", "planes": "cards", "width": 16, "layers": 1}
KUHN = describe_network(make_game("kuhn").spec, "kuhn", builds=False)


def write_checkpoint(folder: Path, network: dict, game: str) -> Path:
    """A checkpoint of an untrained agent whose every weight matters."""
    torch.manual_seed(3)
    module = build_network(network)
    for weights in module.parameters():
        weights.data += 0.1 * torch.randn_like(weights)
    content = save({name: weights.contiguous() for name, weights in module.state_dict().items()})
    meta = {
        "network": network,
        "game": {"name": game},
        "run": "small",
        "samples": 7,
        "files": {"ema.safetensors": hashlib.sha256(content).hexdigest()},
    }
    folder.mkdir(parents=True)
    (folder / "ema.safetensors").write_bytes(content)
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def written(folder: Path, network: dict, game: str) -> tuple[torch.nn.Module, Path]:
    """A checkpoint's network in float32, and the ONNX file of it."""
    module, meta = load_network(write_checkpoint(folder / "checkpoint", network, game), bfloat16=False)
    path = folder / "agent.onnx"
    assert write_onnx(module, meta, path) < 1e-5
    return module, path


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return written(tmp_path_factory.mktemp("grid"), GRID, "generals")


@torch.inference_mode()
def assert_same(network: torch.nn.Module, file: torch.nn.Module, observation: torch.Tensor) -> None:
    for one, other in zip(network(observation), file(observation), strict=True):
        assert one.shape == other.shape and other.dtype == torch.float32
        np.testing.assert_allclose(other.numpy(), one.numpy(), **CLOSE)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 9), (1, 12, 4), (7, 20, 20), (2, 1, 5)])
def test_a_grid_network_of_any_size_answers_the_same(grid, shape):
    rows, height, width = shape
    network, path = grid
    assert_same(network, OnnxNetwork(path), torch.rand(rows, 32, height, width))


@pytest.mark.parametrize("side", [8, 10])
def test_the_file_plays_as_the_checkpoint(grid, side):
    _, path = grid
    file, agent = load_policy(path), load_policy(path.parent / "checkpoint")
    plain = load_onnx_policy(path, symmetries=False)
    exact = NetworkPolicy(grid[0], make_encoder("memory", "cpu", False))
    assert file.name == agent.name == "small@7" and game_of(path) == "generals"
    batch = Batch(make_game("generals", height=side, width=side), 16, seed=2)
    batch.reset()
    batch.step_randomly(60)
    seen = [
        each[:, 1] for each in (batch.observation.views, batch.observation.masks, batch.observation.memories)
    ]
    for one, other in zip(plain.evaluate(*seen), exact.evaluate(*seen), strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)
    # From all sides, and the checkpoint in bfloat16.
    for one, other in zip(file.evaluate(*seen), agent.evaluate(*seen), strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)
    actions = file.act(*seen, np.random.default_rng(0))
    assert (seen[1][np.arange(16), actions >> 3] >> (actions & 7) & 1).all()


def test_a_file_plays_a_match(grid):
    game = make_game("generals", height=8, width=8)
    match = play_match(game, [load_policy(grid[1]), RandomBot()], num_games=4, seed=1, tick_limit=20)
    assert match.policies == ("small@7", "random") and match.illegal.sum() == 0


@pytest.mark.parametrize("torso", ["mlp", "tokens"])
def test_a_card_network_answers_the_same(torso, tmp_path):
    network, path = written(tmp_path, CARDS | {"torso": torso}, "blob")
    batch = Batch(make_game("blob", players=4, cards=5), 9, seed=4)
    batch.reset()
    batch.step_randomly(6)
    views, masks = batch.observation.views.reshape(-1), batch.observation.masks.reshape(-1, 9)
    observation = make_encoder("cards", "cpu", False)(views, masks, None)
    assert observation.shape == (36, INPUTS) and game_of(path) == "blob"
    for rows in (36, 1):
        assert_same(network, OnnxNetwork(path), observation[:rows])


def test_a_network_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(PolicyError, match="cannot be written as ONNX") as error:
        written(tmp_path, CARDS | {"torso": "recurrent"}, "blob")
    assert "\n" not in str(error.value) and [each.name for each in tmp_path.iterdir()] == ["checkpoint"]


def test_the_command_writes_a_file_that_plays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "kuhn", KUHN, "kuhn")
    assert main(["export", "kuhn", "--output", "out/cards.onnx"]) == 0
    assert "wrote out/cards.onnx" in capsys.readouterr().out
    game = make_game("kuhn")
    players = [load_policy("out/cards.onnx"), RandomBot()]
    assert len(play_match(game, players, num_games=20, seed=1, tick_limit=0).games) == 20
    assert game_of("out/cards.onnx") == "kuhn"
    for arguments, told in (
        (["export", "kuhn", "--output", "cards.bin"], "must end in .onnx"),
        (["export", "nobody"], "no player 'nobody'"),
        (["export", "kuhn@first"], "leave out @first"),
        (["evaluate", "none.onnx"], "strategos export"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1


def weights(columns: int = 13, **elsewhere: str) -> TensorProto:
    """Ones [columns, 1], inside of the file or, with a `location`, in another."""
    if not elsewhere:
        return helper.make_tensor("weights", TensorProto.FLOAT, [columns, 1], [1.0] * columns)
    ones = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[columns, 1])
    ones.data_location = TensorProto.EXTERNAL
    for key, value in (*elsewhere.items(), ("length", str(4 * columns))):
        ones.external_data.add(key=key, value=value)
    return ones


def model(
    path: Path,
    about: str | None,
    *,
    columns: int = 13,
    domain: str = "",
    location: str = "",
    operator: str = "MatMul",
    shape: tuple[str | int, ...] = ("rows",),
    names: tuple[str, ...] = ("logits", "values"),
) -> Path:
    """An ONNX file by hand: the sum of the observation as logits and values."""
    given = helper.make_tensor_value_info("observation", TensorProto.FLOAT, [*shape, columns])
    taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    nodes = [helper.make_node(operator, ["observation", "weights"], [name], domain=domain) for name in names]
    ones = weights(columns, location=location) if location else weights(columns)
    graph = helper.make_graph(nodes, "sum", [given], taken, [ones])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("somebody", 1)]
    made = helper.make_model(graph, opset_imports=domains, ir_version=10)
    if about is not None:
        helper.set_model_props(made, {METADATA_KEY: about})
    path.write_bytes(made.SerializeToString())
    return path


def about(**change) -> str:
    network = {"kind": "mlp", "planes": "kuhn", "features": 13}
    return json.dumps({"format": 1, "name": "sum", "symmetric": False, "network": network} | change)


WRONG = {
    "no metadata": ({"about": None}, "no metadata"),
    "metadata that is no JSON": ({"about": "{"}, "Expecting"),
    "metadata that is a list": ({"about": "[]"}, "format 1"),
    "a newer format": ({"about": about(format=2)}, "format 1"),
    "no name": ({"about": about(name=3)}, "lacks name"),
    "no network": ({"about": about(network=[])}, "lacks network"),
    "no kind of network": ({"about": about(network={"kind": "tree"})}, "no network of kind 'tree'"),
    "cards from all sides": ({"about": about(symmetric=True)}, "on a grid"),
    "another input": ({"about": about(), "columns": 12}, "12"),
    "no planes": ({"about": about(network={"kind": "mlp", "features": 13})}, "reads no planes None"),
    "planes of others": ({"about": about(network=GRID | {"planes": "cards"})}, "reads no planes 'cards'"),
    "planes that are no name": ({"about": about(network=CARDS | {"planes": ["cards"]})}, "reads no planes"),
    "no features": ({"about": about(network={"kind": "mlp", "planes": "kuhn"})}, "features must be a number"),
    "a game that is none": ({"about": about(game=["kuhn"])}, r"no game \['kuhn'\]"),
    "a game of others": ({"about": about(game="chess")}, "no game 'chess' but blob, generals, kuhn"),
    "other outputs": (
        {"about": about(), "names": ("policy", "values")},
        "answers policy, values, not logits",
    ),
    "one row only": ({"about": about(), "shape": (1,)}, "must be free"),
    "one size of board": (
        {"about": about(network=GRID), "shape": ("rows", 32, 8), "columns": 8},
        "must be free",
    ),
    "an operator of others": ({"about": about(), "domain": "somebody"}, "somebody"),
    "weights beside the file": ({"about": about(), "location": "ones.bin"}, "does not exist"),
    "weights in another folder": ({"about": about(), "location": "../ones.bin"}, "escapes"),
    "weights from anywhere": ({"about": about(), "location": "/etc/hostname"}, "Absolute"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_gets_one_clear_line(case, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    for place in (Path("ones.bin"), Path("../ones.bin")):
        place.write_bytes(np.ones(13, np.float32).tobytes())
    assert load_policy(model(Path("good.onnx"), about())).name == "sum"
    made, told = WRONG[case]
    path = model(Path("agent.onnx"), **made)
    with pytest.raises(PolicyError, match=told) as error:
        load_policy(path)
    assert "agent.onnx is no agent" in str(error.value) and "\n" not in str(error.value)


def test_a_graph_that_cannot_answer_says_so_in_one_line(tmp_path):
    file = OnnxNetwork(model(tmp_path / "agent.onnx", about(), operator="Add"))
    with pytest.raises(ValueError, match="sum cannot answer: ") as error:
        file(torch.zeros(2, 13))  # two rows and thirteen weights
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"game": {"name": "chess"}}, "no game 'chess'"),
        ({"game": 7}, "no game 7"),
        ({"network": ["mlp"]}, "network must be a table"),
        ({"network": {**KUHN, "planes": "memory"}}, "reads no planes 'memory'"),
        ({"network": {"kind": "cards"}}, "reads no planes None"),
    ],
)
def test_a_checkpoint_that_describes_itself_wrongly_gets_one_clear_line(change, told, tmp_path):
    folder = write_checkpoint(tmp_path / "agent", KUHN, "kuhn")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | change))
    with pytest.raises(PolicyError, match=told) as error:
        load_policy(folder)
    assert "\n" not in str(error.value)
    if "network" not in change:
        with pytest.raises(PolicyError, match=told):
            game_of(folder)


def test_without_a_name_the_game_is_that_of_the_network(tmp_path):
    assert game_of(write_checkpoint(tmp_path / "agent", KUHN, "kuhn")) == "kuhn"
    for network, game in ((KUHN, "kuhn"), (CARDS, "blob"), (GRID, "generals"), ({}, None)):
        meta = {"network": network, "files": {}}
        (tmp_path / "agent" / "meta.json").write_text(json.dumps(meta))
        assert game_of(tmp_path / "agent") == game


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(range(256)) * 50])
def test_garbage_gets_one_clear_line(content, tmp_path, grid):
    path = tmp_path / "agent.onnx"
    for each in (content, grid[1].read_bytes()[: -len(content) - 100]):
        path.write_bytes(each)
        with pytest.raises(PolicyError, match=r"agent\.onnx is no agent") as error:
            load_policy(path)
        assert "\n" not in str(error.value)


def test_without_onnxruntime_one_is_told_what_to_install(grid, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(PolicyError, match=r"pip install 'strategos\[serve\]'"):
        load_policy(grid[1])
