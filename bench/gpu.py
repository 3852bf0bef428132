"""What a GPU does for learning: updates on the CPU and on the GPU, and iterations of a preset there.

    python bench/gpu.py [--json] [--quick] [--preset gpu] [--board 10]

`ppo/NETWORK/DEVICE/PRECISION` are samples learned from in a second: made-up experience on a board of
`--board` tiles a side, the networks of the quick and the gpu preset; `compiled` is in bfloat16, too.
`alphazero/...` are examples of Blob by the network of blob-quick. Ratios are to the CPU in float32.
`run/PRESET` are whole iterations of `--preset` on the device that it names, with the share of their time
that each part takes. Without a GPU there are rows of the CPU only, and no iterations of presets that ask
for one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from measurement import Options, parse_options, rates, report

from strategos.games.blob.record import NUM_ACTIONS
from strategos.learn.alphazero import AlphaZero, Examples
from strategos.learn.ppo import PPO, Shard
from strategos.nets.card_features import INPUTS
from strategos.nets.cards import CardNet
from strategos.nets.grid import GridNet, GridNetConfig
from strategos.train.config_files import load_config
from strategos.train.trainers import make_trainer

PLANES = 32
SAMPLES = {"cpu": 1024, "cuda": 65_536}
"""Of one update: on a CPU a few seconds' worth of the largest network."""


def main() -> None:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--preset", default="gpu")
    own.add_argument("--board", type=int, default=10)
    chosen, sys.argv[1:] = own.parse_known_args()
    options = parse_options(__doc__)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if not options.json:
        print(f"# GPU: {torch.cuda.get_device_name() if 'cuda' in devices else 'none'}")
    for name in ("quick",) if options.quick else ("quick", "gpu"):
        compare(options, f"ppo/{name}", devices, partial(ppo_update, name, chosen.board))
    compare(options, "alphazero/blob-quick", devices, alphazero_update)
    if "cuda" in devices or load_config(chosen.preset, []).device != "cuda":
        iterations(options, chosen.preset)


def compare(options: Options, name: str, devices: list[str], make: Callable) -> None:
    """Updates on each device in each precision; on a GPU compiled, too, where `make` knows how."""
    base = None
    for device in devices:
        for precision in ("float32", "bfloat16", "compiled"):
            work = make(device, precision)
            if work is None:
                continue
            work()  # the first one chooses and compiles kernels
            measured = rates(work, 3 if options.quick else 7)
            base = base or statistics.median(measured)
            report(options, f"{name}/{device}/{precision}", measured, "samples/s", peer="the CPU in float32",
                   ratio=statistics.median(measured) / base)  # fmt: skip


def ppo_update(preset: str, board: int, device: str, precision: str) -> Callable[[], float] | None:
    """An update by the network and the settings of a preset; every sample is learned from once."""
    if precision == "compiled" and device == "cpu":
        return None
    config, count, rng = load_config(preset, []), SAMPLES[device], np.random.default_rng(0)
    shape = GridNetConfig(
        PLANES, config.net.channels, config.net.blocks, attention=config.net.attention,
        bfloat16=precision != "float32",
    )  # fmt: skip
    last = torch.channels_last
    net = GridNet(shape).to(device).to(memory_format=last)  # type: ignore[call-overload]
    dtype = torch.bfloat16 if shape.bfloat16 else torch.float32
    inputs = torch.rand(count, PLANES, board, board, dtype=dtype).to(device, memory_format=last)
    settings = replace(
        config.ppo, keep=1.0, epochs=1, minibatch=min(config.ppo.minibatch, count), teacher_weight=0.0
    )
    ppo = PPO(net, settings, device=device, compiled=precision == "compiled")
    masks = np.full((count, board * board + 1), 0xFF, np.uint8)
    masks[:, -1] = 1
    shard = Shard(
        observe=lambda rows: inputs[torch.from_numpy(rows).to(device)],
        masks=masks,
        actions=rng.integers(0, 8 * board * board, count),
        log_probabilities=np.full(count, -np.log(8 * board * board + 1), np.float32),
        values=np.zeros(count, np.float32),
        advantages=rng.normal(size=count).astype(np.float32),
        returns=rng.normal(size=count).astype(np.float32),
    )
    return lambda: ppo.update([shard], 0.5, rng)["samples_learned"]


def alphazero_update(device: str, precision: str) -> Callable[[], float] | None:
    """An update by the network and the settings of blob-quick."""
    if precision == "compiled":
        return None
    config, count, rng = load_config("blob-quick", []), SAMPLES[device] // 2, np.random.default_rng(0)
    net = CardNet(replace(config.cards, bfloat16=precision == "bfloat16")).to(device)
    rows = torch.zeros(count, INPUTS)
    legal = rng.random((count, NUM_ACTIONS)) < 0.2
    legal[:, 0] = True
    examples = Examples(
        observe=lambda indices: rows[torch.from_numpy(indices)].to(device),
        masks=np.packbits(legal, axis=1, bitorder="little"),
        policy=(legal / legal.sum(1, keepdims=True)).astype(np.float32),
        values=rng.random((count, 8)).astype(np.float32),
        made=rng.integers(0, 2, (count, 8)).astype(np.float32),
        players=np.full(count, 4),
    )
    learner = AlphaZero(net, config.alphazero, device=device)
    return lambda: learner.update(examples, 0.5, rng)["samples_learned"]


def iterations(options: Options, preset: str) -> None:
    """Whole iterations of a preset, the first of its stages; and where their time goes."""
    config = load_config(preset, ["league.past=0.0", "league.every=1.0"])
    trainer = make_trainer(config)
    try:
        trainer.warm_up()
        rows: list[dict[str, float]] = []

        def iterate() -> float:
            before = trainer.samples
            began = time.perf_counter()
            row = trainer.iterate(time.perf_counter, lambda what, share: None)
            rows.append({**row, "seconds": time.perf_counter() - began})
            return trainer.samples - before

        rates(iterate, 2)  # kernels are chosen and compiled, for each of two boards
        rows.clear()
        report(options, f"run/{preset}", rates(iterate, 4 if options.quick else 10), "samples/s")
    finally:
        trainer.close()
    parts = sorted({key for row in rows for key in row if key.startswith(("collect/", "time/"))})
    for part in parts:
        shares = [row[part] / row["seconds"] for row in rows]
        report(options, f"run/{preset}/{part.partition('/')[2]}", shares, "of the time")


if __name__ == "__main__":
    main()
