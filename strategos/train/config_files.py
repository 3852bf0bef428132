"""Configurations read and written: a preset or a TOML file, then overrides; the resolved one as TOML.

An unknown key is an error that names the nearest known one. The presets are TOML files inside the package, so
that `strategos train --preset quick` works anywhere.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from strategos.spelling import nearest
from strategos.train.config import ConfigError, TrainConfig, to_dict

PRESETS_FOLDER = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """The presets that come with the package."""
    return sorted(path.stem for path in PRESETS_FOLDER.glob("*.toml"))


def load_config(
    source: str | Path = "quick", overrides: Mapping[str, Any] | Iterable[str] = ()
) -> TrainConfig:
    """A preset's name or the path of a TOML file, then overrides (`{"ppo.clip": 0.1}` or `["ppo.clip=0.1"]`).

    Raises `ConfigError` for a missing file, a syntax error, an unknown key or a value of a wrong type.
    """
    path = PRESETS_FOLDER / f"{source}.toml"
    if not path.is_file():
        path = Path(source)
    if not path.is_file():
        names = preset_names()
        hint = nearest(str(source), names)
        raise ConfigError(f"no preset and no file {str(source)!r}; presets are {', '.join(names)}{hint}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return from_dict(content, overrides, where=f"{path.name}: ")


def from_dict(
    content: Mapping[str, Any], overrides: Mapping[str, Any] | Iterable[str] = (), where: str = ""
) -> TrainConfig:
    """A configuration from nested tables and overrides; see `load_config`."""
    tables = copy.deepcopy(dict(content))
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_parse_override, overrides)
    _build(TrainConfig, tables, "", where)  # the file's own mistakes are named before the overrides'
    for key, value in pairs:
        _set(tables, key, value)
    try:
        return _build(TrainConfig, tables, "", "")
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"an override is key=value, for example ppo.clip=0.1, not {text!r}")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()  # a bare word is a string


def _set(tables: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for name in path:
        tables = tables.setdefault(name, {})
        if not isinstance(tables, dict):
            raise ConfigError(f"{key}: {name} is not a table")
    tables[last] = value


def _build(kind: Any, content: Any, prefix: str, where: str) -> Any:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}{prefix.rstrip('.')} must be a table, not {content!r}")
    hints = get_type_hints(kind)
    for key in content:
        if key not in hints:
            hint = nearest(key, hints) or "; known are " + ", ".join(hints)
            raise ConfigError(f"{where}unknown key {prefix + key!r}{hint}")
    values = {key: _value(hints[key], value, f"{prefix}{key}", where) for key, value in content.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _value(kind: Any, value: Any, key: str, where: str) -> Any:
    """`value` as the annotated type; integers pass for floats, lists for tuples."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(inner[0], value, key, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f"{key}.", where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}{key} must be a list, not {value!r}")
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise ConfigError(f"{where}{key} must have {len(inner)} entries, not {value!r}")
        return tuple(_value(inner[0], each, f"{key}[{index}]", where) for index, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}{key} must be a table, not {value!r}")
        return {str(name): _value(inner[1], each, f"{key}.{name}", where) for name, each in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}{key} must be a finite number, not {value}")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}{key} must be of type {kind.__name__}, not {value!r}")
    return value


def to_toml(config: TrainConfig) -> str:
    """The resolved configuration as TOML, the hash in its first line; `load_config` reads it back."""
    lines = [f"# resolved configuration, hash {config.digest()}"]
    tables = to_dict(config)
    lists = {key: tables.pop(key) for key in ("stages", "deals")}
    lines += [f"{key} = {_toml(each)}" for key, each in tables.items() if not isinstance(each, dict)]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(each)}" for key, each in table.items())]
    for name, entries in lists.items():
        for table in entries:
            lines += ["", f"[[{name}]]", *(f"{key} = {_toml(each)}" for key, each in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value)
