"""Metrics of a run: JSON lines always, TensorBoard and Weights & Biases where wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from strategos.durable import write_atomically

METRICS_FILE = "metrics.jsonl"


class Metrics:
    """Writes every row to `metrics.jsonl` and, where asked, to TensorBoard and Weights & Biases.

    A resumed run drops the rows that came after its checkpoint, so each moment occurs once.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        samples: int = 0,
        tensorboard: bool = False,
        wandb: str = "",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        path = run_dir / METRICS_FILE
        rows = [row for row in read_metrics(run_dir) if row.get("samples", 0) <= samples] if samples else []
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        self._file: TextIO = open(path, "a", encoding="utf-8")  # noqa: SIM115, closed by close()
        self._board: Any = None
        self._wandb: Any = None
        self.notes: list[str] = []
        if tensorboard:
            self._board = self._open_board(run_dir, samples)
        if wandb:
            self._wandb = self._open_wandb(wandb, run_dir, config or {})

    def _open_board(self, run_dir: Path, samples: int) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.notes.append("TensorBoard is not installed; metrics.jsonl has everything")
            return None
        return SummaryWriter(str(run_dir / "tensorboard"), purge_step=samples + 1 if samples else 0)

    def _open_wandb(self, project: str, run_dir: Path, config: Mapping[str, Any]) -> Any:
        try:
            import wandb
        except ImportError:
            self.notes.append("wandb is not installed (pip install wandb); metrics.jsonl has everything")
            return None
        return wandb.init(project=project, name=run_dir.name, dir=str(run_dir), config=dict(config))

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row; it has `samples`, the moment of the run. What is not finite becomes null."""
        clean = finite(row)
        self._file.write(json.dumps(clean) + "\n")
        self._file.flush()
        numbers = {
            key: value
            for key, value in clean.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        samples = int(row.get("samples", 0))
        if self._board is not None:
            for key, value in numbers.items():
                self._board.add_scalar(key, value, samples)
        if self._wandb is not None:
            self._wandb.log(numbers, step=samples)

    def close(self) -> None:
        """Flush and close everything."""
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with null for what is not finite: JSON has no word for it."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a run so far; a last line cut short by a kill is left out."""
    path = run_dir / METRICS_FILE
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
