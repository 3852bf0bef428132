"""`strategos package`: a trained agent as a submission to the generals.bot ladder, tried out before."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, positive, reading, temperature, writing

if TYPE_CHECKING:
    from strategos.play.time_trial import TimeTrial

_COMFORT = 1 / 3
"""The share of a move's time that looking from all sides may take; other machines may be slower."""


def run(arguments: list[str]) -> int:
    """Write the zip, if a game from it stays within the ladder's limits, and say how it did."""
    parser = Parser(
        "package",
        "Write an agent as a submission to the generals.bot ladder. A game is played from the zip first, on "
        "one core, without network and with the ladder's limits.",
    )
    parser.add_argument("agent", help="a run or a checkpoint that plays Generals")
    parser.add_argument("-o", "--output", metavar="ZIP", default="submission.zip", help="(submission.zip)")
    parser.add_argument("--temperature", type=temperature, default=1.0, metavar="T", help="0 greedy (1)")
    parser.add_argument(
        "--one-side", action="store_true", help="do not look from all sides of a board: faster"
    )
    parser.add_argument("--ticks", type=positive, default=150, help="of the game that is played (150)")
    parser.add_argument(
        "--size", type=positive, default=21, help="of its board; the ladder has 18 to 21 (21)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.read(arguments)
    output = Path(options.output)
    if output.suffix != ".zip":
        raise InputError(f"package: --output {options.output} must end in .zip, as the ladder wants it")

    from strategos.durable import write_atomically
    from strategos.play.agents import find_checkpoint
    from strategos.play.packing import pack_agent
    from strategos.play.program import Limits

    limits = Limits()
    with reading():
        checkpoint = find_checkpoint(options.agent)
        all_sides = not options.one_side
        content = pack_agent(checkpoint, temperature=options.temperature, all_sides=all_sides)
        trial = _try_out(content, options.ticks, options.size)
        if all_sides and (trial.faults or trial.median_s > _COMFORT * limits.move_s):
            all_sides = False
            content = pack_agent(checkpoint, temperature=options.temperature, all_sides=False)
            trial = _try_out(content, options.ticks, options.size)
    if trial.faults or trial.forfeit or trial.illegal:
        # Faults are answers that were late; what else went wrong would on any machine.
        advice = "take a smaller network, or an idle machine" if trial.faults else "the agent must be mended"
        raise InputError(
            f"package: {trial.faults} faults, {trial.illegal} illegal moves, "
            f"{trial.forfeit or 'no forfeit'} in a game played from the zip: {trial}; nothing was written: "
            f"{advice}"
        )
    with writing(output):
        write_atomically(output, content)
    if options.json:
        facts = {"output": str(output), "bytes": len(content), "all_sides": all_sides, **trial.as_json()}
        print(json.dumps(facts))
        return 0
    sides = "from all sides" if all_sides else "from one side"
    print(f"wrote {output}: {len(content) / 1e6:.2f} MB; the agent looks at a board {sides}")
    print(f"a game from the zip, on one core: {trial}; no fault")
    return 0


def _try_out(content: bytes, ticks: int, side: int) -> TimeTrial:
    """Play one game from the unpacked zip, without network; `python3` is the one that runs this. The first
    error of the agent ends it."""
    from strategos.play.bots import ExpanderBot
    from strategos.play.packing import unpack
    from strategos.play.program import Program
    from strategos.play.time_trial import time_trial

    with tempfile.TemporaryDirectory() as folder:
        script = unpack(content, Path(folder))
        places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        command = ["env", f"PATH={places}", str(script), "--trial"]
        program = Program(command, script.parent, name="submission")
        return time_trial(program, ExpanderBot(), ticks=ticks, side=side)
