"""Where a trainer computes: the device of a configuration, threads, tensors ready to be written."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from strategos.train.config import ConfigError


def choose_device(wanted: str) -> torch.device:
    """The device of a configuration; `ConfigError` where there is no such GPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"device is auto, cpu, cuda or a GPU such as cuda:1, not {wanted!r}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device is {wanted!r}, but there is no usable GPU here; set device to cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is {wanted!r}, but the last GPU is cuda:{torch.cuda.device_count() - 1}")
    return device


def one_thread_each(device_type: str) -> None:
    """What a worker thread sets before its first task: the workers themselves are the threads."""
    if device_type == "cpu":
        torch.set_num_threads(1)


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU and contiguous, as safetensors wants them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
