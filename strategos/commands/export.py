"""`strategos export`: a trained agent as one ONNX file, to be played anywhere."""

from __future__ import annotations

from pathlib import Path

from strategos.commands.arguments import InputError, Parser, reading


def run(arguments: list[str]) -> int:
    """Write the file and say how closely it follows the network."""
    parser = Parser("export", "Write a trained agent as an ONNX file, which then plays like any agent.")
    parser.add_argument("agent", help="a run folder or a checkpoint")
    parser.add_argument("--output", metavar="FILE", default="agent.onnx", help="where to (agent.onnx)")
    options = parser.read(arguments)
    output = Path(options.output)
    if output.suffix != ".onnx":
        raise InputError(f"export: --output {options.output} must end in .onnx, or nobody knows what it is")

    from strategos.play.agents import find_checkpoint, load_network

    with reading():
        network, meta = load_network(find_checkpoint(options.agent), bfloat16=False)

        from strategos.play.onnx import write_onnx

        output.parent.mkdir(parents=True, exist_ok=True)
        difference = write_onnx(network, meta, output)
    size_kb = output.stat().st_size / 1000
    print(f"wrote {output}: {size_kb:,.0f} kB; its answers are within {difference:.0e} of the network's")
    return 0
