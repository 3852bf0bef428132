"""Agents as ONNX files, both ways: written from a network, played through onnxruntime.

The graph is the network alone, in float32: an encoded observation in, logits and values out, for any number
of rows and, where it plays on a grid, for boards of any size. What else it takes to play (the game, the
planes, whether to look from all sides) is in the file's metadata, so that the file is the whole agent. A
file is data: neither weights outside of it nor operators of others are loaded.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strategos import __version__
from strategos.engine.planes import PLANES
from strategos.engine.pool import available_cores
from strategos.nets.card_features import FEATURES, INPUTS, ORDER_AT, SLOTS_AT
from strategos.nets.symmetric import SymmetricNet
from strategos.play.checkpoint_files import check_meta
from strategos.play.network import NetworkPolicy, make_encoder, plane_set_of
from strategos.play.policy import PolicyError

METADATA_KEY = "strategos"
INSTALL = "pip install 'strategos[serve]'"
_FORMAT = 1
_INPUT, _OUTPUTS = "observation", ["logits", "values"]


def write_onnx(network: nn.Module, meta: Mapping[str, Any], output: Path) -> float:
    """Write `network`, in float32, and what `meta` of its checkpoint says about it to `output`.

    The file appears whole or not at all. Returns the largest difference between the outputs of the network
    and those of the file, as a share of the largest output where that is above 1, on observations of another
    shape than the traced one. Raises `PolicyError`.
    """
    described = dict(meta["network"])
    about = {
        "format": _FORMAT,
        "version": __version__,
        "name": f"{meta.get('run', 'agent')}@{meta.get('samples', 0)}",
        "game": meta.get("game"),
        "network": described,
        "symmetric": described["kind"] == "grid",
    }
    content = _traced(network.eval(), described, json.dumps(about))
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        unfinished.write_bytes(content)
        difference = _difference(network, OnnxNetwork(unfinished), _example(described, 5, 9, 7))
        os.replace(unfinished, output)
    finally:
        unfinished.unlink(missing_ok=True)
    return difference


def load_onnx_policy(path: Path, *, temperature: float = 1.0, symmetries: bool = True) -> NetworkPolicy:
    """The agent in a file that `write_onnx` wrote, on the CPU; `PolicyError` for any other file."""
    written = OnnxNetwork(path)
    about = written.about
    network = SymmetricNet(written) if symmetries and about["symmetric"] else written
    encode = make_encoder(plane_set_of(about["network"]), "cpu", False)
    return NetworkPolicy(network, encode, name=about["name"], temperature=temperature)


class OnnxNetwork(nn.Module):
    """The network of an ONNX file: encoded observations to logits [B, num_actions] and values [B].

    `about` is the file's metadata. Raises `PolicyError`, and `ValueError` where its graph cannot answer.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError:
            raise PolicyError(f"to play {path}, install onnxruntime: {INSTALL}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cores()
        options.log_severity_level = 4  # what matters is raised
        # Idle threads must not spin: others play on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # In a folder of its own: weights may lie beside a file, and there they would be read.
            with tempfile.TemporaryDirectory() as folder:
                alone = shutil.copyfile(path, Path(folder) / path.name)
                self._session = onnxruntime.InferenceSession(
                    alone, options, providers=["CPUExecutionProvider"]
                )
            self.about: dict[str, Any] = _read_metadata(self._session)
        except OSError as error:
            raise PolicyError(
                f"{path} cannot be read: {error.strerror or error}; strategos export RUN writes one"
            ) from None
        except Exception as error:  # onnxruntime has a dozen classes of errors and no common one
            raise PolicyError(
                f"{path} is no agent that strategos export wrote, or a damaged one: {_first_line(error)}"
            ) from None

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        given = {_INPUT: observation.detach().float().contiguous().numpy()}
        try:
            logits, values = self._session.run(_OUTPUTS, given)
        except Exception as error:  # as above
            raise ValueError(f"{self.about['name']} cannot answer: {_first_line(error)}") from None
        return torch.from_numpy(logits), torch.from_numpy(values)


def _read_metadata(session: Any) -> dict[str, Any]:
    """What the file says about itself, held against its graph; `ValueError` where it cannot be played."""
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ValueError(f"it has no metadata {METADATA_KEY!r}")
    about = json.loads(text)
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ValueError(f"its metadata is not of format {_FORMAT}, which is what this version reads")
    types = {"name": str, "symmetric": bool, "network": dict}
    wrong = [name for name, kind in types.items() if not isinstance(about.get(name), kind)]
    if wrong:
        raise ValueError(f"its metadata lacks {', '.join(wrong)}")
    check_meta(about)
    if about["symmetric"] and about["network"].get("kind") != "grid":
        raise ValueError("only a network on a grid can look from all sides")
    _check_graph(session, about["network"])
    return about


def _check_graph(session: Any, described: Mapping[str, Any]) -> None:
    """`ValueError` for a graph that does not read and answer what its metadata speak of, on any board."""
    expected = list(_example(described, 1, 4, 4).shape)
    shapes = {each.name: each.shape for each in session.get_inputs()}
    shape = list(shapes.get(_INPUT) or ())
    if list(shapes) != [_INPUT] or len(shape) != len(expected) or shape[1] != expected[1]:
        raise ValueError(f"its graph reads {shapes}, its metadata speak of {expected[1]} columns or planes")
    fixed = [axis for axis in (0, 2, 3)[: len(shape) - 1] if isinstance(shape[axis], int)]
    if fixed:
        raise ValueError(f"its graph reads {shape} only; rows, height and width must be free")
    answered = [each.name for each in session.get_outputs()]
    if not set(_OUTPUTS) <= set(answered):
        raise ValueError(f"its graph answers {', '.join(answered)}, not {' and '.join(_OUTPUTS)}")


def _first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _example(described: Mapping[str, Any], rows: int, height: int, width: int) -> Tensor:
    """Random numbers of the shape of a network's input; `ValueError` for no kind of network."""
    random, plane_set = torch.Generator().manual_seed(0), plane_set_of(described)
    if described["kind"] == "grid":
        return torch.rand((rows, PLANES[plane_set], height, width), generator=random)
    if described["kind"] == "cards":
        cards = torch.full((rows, INPUTS), -1.0)  # no card was played yet
        cards[:, :FEATURES] = torch.rand((rows, FEATURES), generator=random)
        cards[:, SLOTS_AT:ORDER_AT] = torch.arange(4.0)
        return cards
    if not isinstance(described.get("features"), int):
        raise ValueError(f"features must be a number, not {described.get('features')!r}")
    return torch.rand((rows, described["features"]), generator=random)


def _traced(network: nn.Module, described: Mapping[str, Any], about: str) -> bytes:
    """The graph of a network and its metadata as the bytes of a file."""
    example = _example(described, 3, 5, 6)
    axes = dict.fromkeys((0, 2, 3) if described["kind"] == "grid" else (0,), torch.export.Dim.AUTO)
    try:
        with _silence(), torch.no_grad():
            traced = torch.export.export(network, (example,), dynamic_shapes=(axes,))
            program = torch.onnx.export(
                traced, (example,), dynamo=True, verbose=False, input_names=[_INPUT], output_names=_OUTPUTS
            )
    except ImportError as error:
        raise PolicyError(f"writing ONNX needs {error.name}: {INSTALL}") from None
    except Exception as error:  # torch has its own error for each step of the way
        raise PolicyError(f"this network cannot be written as ONNX: {_first_line(error)}") from error
    assert program is not None
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, about
    return model.SerializeToString()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep torch's remarks on packages that are not needed off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@torch.inference_mode()
def _difference(network: nn.Module, written: nn.Module, observation: Tensor) -> float:
    pairs = zip(network(observation), written(observation), strict=True)
    return max(float((one - other).abs().max() / one.abs().max().clamp(min=1)) for one, other in pairs)
