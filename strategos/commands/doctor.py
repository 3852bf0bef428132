"""`strategos doctor`: what is installed, how fast this machine is, what it can train."""

from __future__ import annotations

import json
import sys

from strategos.commands.arguments import Parser


def run(arguments: list[str]) -> int:
    """Print the findings; the exit code is 1 where something needed is missing."""
    parser = Parser("doctor", "What is installed, how fast this machine is, what it can train.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--no-measure", action="store_true", help="look, but measure nothing")
    options = parser.read(arguments)

    from strategos.evaluate import machine

    found: dict = {
        "python": sys.version.split()[0],
        "packages": machine.installed(),
        "processor": machine.processor(),
        "cores": machine.available_cores(),
        "memory_gib": machine.memory_gib(),
        "gpus": machine.gpus() if machine.installed()["torch"] != "missing" else [],
    }
    missing = [name for name, version in found["packages"].items() if version == "missing"]
    if not options.no_measure and not missing:
        found["speed"] = machine.measure()
    found["advice"] = advice(found, missing)
    if options.json:
        print(json.dumps(found))
    else:
        _show(found)
    return 1 if missing else 0


def advice(found: dict, missing: list[str]) -> list[str]:
    """What to do next, one sentence each."""
    if missing:
        return [f"Install what is missing ({', '.join(missing)}): make setup"]
    lines = []
    speed = found.get("speed")
    if found["gpus"]:
        lines.append("A GPU is there: strategos train --preset gpu trains a strong agent on large boards.")
    else:
        lines.append("No GPU: strategos train --preset quick takes ten minutes, --preset laptop an evening.")
    lines.append("Cards instead of boards: strategos train --preset blob-quick, fifteen minutes.")
    if found["cores"] < 2:
        lines.append("One core only: training takes about twice as long as the docs say.")
    if speed and not found["gpus"] and speed["matmul_bfloat16_gflops"] < speed["matmul_float32_gflops"]:
        lines.append("bfloat16 is slower than float32 on this processor: train with --net.bfloat16 false.")
    if found["memory_gib"] < 4:
        lines.append("Less than 4 GiB of memory: play fewer games at once.")
    return lines


def _show(found: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("python", found["python"])
    table.add_row("packages", ", ".join(f"{name} {version}" for name, version in found["packages"].items()))
    table.add_row("processor", f"{found['processor']}, {found['cores']} cores usable")
    table.add_row("memory", f"{found['memory_gib']} GiB")
    cards = [f"{card['name']}, {card['memory_gib']} GiB" for card in found["gpus"]]
    table.add_row("GPU", "; ".join(cards) or "none")
    if "speed" in found:
        speed = found["speed"]
        what = "game-steps/s (10x10, 2 players, views and masks)"
        table.add_row("engine", f"{speed['engine_steps_per_s']:,} {what}")
        table.add_row("matmul float32", f"{speed['matmul_float32_gflops']:,} GFLOP/s")
        table.add_row("matmul bfloat16", f"{speed['matmul_bfloat16_gflops']:,} GFLOP/s")
    console.print(table)
    console.print()
    for line in found["advice"]:
        console.print(f"[green]→[/green] {line}")
