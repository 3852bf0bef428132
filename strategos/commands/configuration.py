"""Every key of a training configuration with its default and its documentation, as text."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from strategos.league.roles import LeagueConfig
from strategos.learn.alphazero import AlphaZeroConfig
from strategos.learn.ppo import PPOConfig
from strategos.nets.cards import CardNetConfig
from strategos.play.search import SearchConfig
from strategos.train import alphazero_tables
from strategos.train import config as configuration

TABLES: dict[str, type] = {
    "": configuration.TrainConfig,
    "game": configuration.GameConfig,
    "net": configuration.NetConfig,
    "cards": CardNetConfig,
    "ppo": PPOConfig,
    "rollout": configuration.RolloutConfig,
    "league": LeagueConfig,
    "alphazero": AlphaZeroConfig,
    "search": SearchConfig,
    "self_play": alphazero_tables.SelfPlayConfig,
    "memory": alphazero_tables.MemoryConfig,
    "gate": alphazero_tables.GateConfig,
    "evaluation": configuration.EvaluationConfig,
    "stages": configuration.StageConfig,
    "stages.boards": configuration.BoardConfig,
    "deals": alphazero_tables.DealConfig,
}
_LISTS = ("stages", "boards", "deals")
"""Keys that hold tables of their own, which only a file can write."""


def keys() -> Iterator[tuple[str, str, Any, str]]:
    """(table, key, default, documentation) of every key, table by table."""
    for table, kind in TABLES.items():
        documented = _documentation(kind)
        for field in dataclasses.fields(kind):
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if dataclasses.is_dataclass(default) or f"{table}.{field.name}".strip(".") in TABLES:
                continue
            yield table, field.name, default, documented.get(field.name, "")


def keys_text(width: int = 100) -> str:
    """All keys for the terminal, the way they are written as options, or in a file where only that works."""
    lines = []
    last = None
    for table, name, default, documentation in keys():
        if table != last:
            lines += ["", _heading(table) or "(top level)"]
            last = table
        option = f"--{table}.{name}".replace("--.", "--").replace("_", "-")
        lines.append(f"  {name if _in_files_only(table) else option} {_shown(default)}")
        lines += textwrap.wrap(documentation, width, initial_indent="      ", subsequent_indent="      ")
    lines += ["", "stages and deals are set in a TOML file: strategos train --config FILE"]
    return "\n".join(lines).strip("\n")


PAGE_HEAD = """# Configuration

Every key of a training run, its default and what it does. `strategos train --keys` prints the same.

A preset or a TOML file sets what differs from the defaults, and an option overrides both:

```
strategos train --preset quick --samples 1_000_000 --ppo.learning-rate 1e-3
strategos train --config my.toml --run mine
```

An unknown key is an error that names the nearest known one. The resolved configuration of a run and its
hash are in `runs/NAME/config.toml`; a run goes on only with the configuration it was begun with.

Boards belong to stages, and stages are set in a file. Here boards grow, and the generals move apart:

```toml
[[stages]]
boards = [{ height = 8, width = 8, spawn_distance = [2, 8] }]

[[stages]]
start = 0.5
boards = [{ height = 8, width = 8 }, { height = 12, width = 12, min_height = 9, min_width = 9 }]
```

A stage can also be left by a win rate, and come back when it falls: [leagues](leagues.md#a-curriculum).

So are the deals of Blob. The first kind is what agents are measured on; trump and dealer are drawn for each
round:

```toml
[[deals]]
players = 4
cards = 5
share = 0.75

[[deals]]
players = 4
cards = 4
min_cards = 1
share = 0.25
```
"""


def page() -> str:
    """The text of `docs/configuration.md`."""
    lines = [PAGE_HEAD.strip("\n")]
    last = None
    for table, name, default, documentation in keys():
        if table != last:
            heading = f"`{_heading(table)}`" if table else "Top level"
            lines += ["", f"## {heading}", "", "| key | default | |", "|---|---|---|"]
            last = table
        cells = (f"`{name}`", f"`{_shown(default)}`", documentation)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines).strip("\n") + "\n"


def _in_files_only(table: str) -> bool:
    return table.partition(".")[0] in _LISTS


def _heading(table: str) -> str:
    """The table's name as a TOML file writes it; nothing for the top level."""
    if _in_files_only(table):
        return f"[[{table}]]"
    return f"[{table}]" if table else ""


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def _documentation(kind: type) -> dict[str, str]:
    """The string under each field of a dataclass, which Python itself does not keep."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not isinstance(text, ast.Expr) or not isinstance(text.value, ast.Constant):
            continue
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


if __name__ == "__main__":
    print(page(), end="")
