"""Where a trainer computes: the device of a configuration, threads, tensors ready to be written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

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


class WorkerThreads:
    """The threads of a run: at most `count` and no more than there are cores.

    On the CPU torch computes on one thread in each of them, and everywhere else, until `close`.
    """

    def __init__(self, device: torch.device, count: int) -> None:
        self._before = torch.get_num_threads()
        one_thread_each(device.type)
        self.executor = ThreadPoolExecutor(
            min(count, os.cpu_count() or 1), initializer=one_thread_each, initargs=(device.type,)
        )
        self.learning = self.executor if device.type == "cpu" else None
        """For the shards of a minibatch; a GPU takes them whole."""

    def close(self) -> None:
        """Let the threads go, and give torch its own back."""
        self.executor.shutdown()
        torch.set_num_threads(self._before)


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU and contiguous, as safetensors wants them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
