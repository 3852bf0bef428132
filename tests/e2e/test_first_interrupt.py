"""Ctrl-C before anything was learned ends a command at once, though the compiler swallows interrupts."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

TRAINING = """
    import os, signal, sys
    from strategos.cli import main
    from strategos.train.ppo_trainer import PPOTrainer

    def compile_on(self):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            pass
        print("compiled on", flush=True)
        raise SystemError("the compiler fails after it has swallowed an interrupt")

    setattr(PPOTrainer, sys.argv[1], compile_on)
    sys.exit(main(["train", "--preset", "kuhn", "--run", "run", "--no-report"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals of this kind there")
@pytest.mark.parametrize("where", ["_make_arenas", "warm_up"])
def test_nothing_is_compiled_on_and_nothing_saved(where, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAINING), where],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout.splitlines()[-1] == "stopped before training began; nothing to save"
    assert "compiled on" not in done.stdout and not (tmp_path / "runs" / "run" / "checkpoints").exists()
