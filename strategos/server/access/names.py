"""Names that people choose: what may stand in them, and who may not be impersonated."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from strategos.server.terms import HallError

LONGEST = 32
NOBODY = "Anonymous"
_VISIBLE = ("L", "M", "N", "P", "S")
"""Letters, marks, numbers, punctuation, symbols: no control, format, private or unassigned character."""
_CHAT_CHARACTERS = 200
_LOOK_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԚԜҺаеѕіјорсухԁԛԝһ"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαοιρνυκτχıɡɩ",
    "ABESIJKMHOPCTYXQWHaesijopcyxdqwh"
    "ABEZHIKMNOPTYXaoipvuktxigi",
)  # fmt: skip
"""Cyrillic, Greek and other letters that are drawn like one of ours."""


def clean_name(name: str, reserved: Collection[str] = ()) -> str:
    """A name as it is shown; "Anonymous" for an empty one. `HallError` "invalid" for one that cannot be
    shown, or that is of an agent of this server."""
    if not isinstance(name, str) or len(name) > 8 * LONGEST:
        raise HallError("invalid", f"a name is a text of at most {LONGEST} characters")
    shown = " ".join(unicodedata.normalize("NFKC", name).split())
    if len(shown) > LONGEST:
        raise HallError("invalid", f"a name has at most {LONGEST} characters")
    _require_visible(shown, "a name")
    if _bare(shown) in {_bare(each) for each in reserved}:
        raise HallError("invalid", "an agent of this server has that name; take another")
    return shown or NOBODY


def clean_chat(text: str) -> str:
    """A line of chat as it is shown; `HallError` "invalid" for an empty, too long or invisible one."""
    if not isinstance(text, str) or not 0 < len(text) <= _CHAT_CHARACTERS:
        raise HallError("invalid", f"a line of chat has 1 to {_CHAT_CHARACTERS} characters")
    shown = " ".join(text.split())
    if not shown:
        raise HallError("invalid", "an empty line says nothing")
    _require_visible(shown, "a line of chat")
    return shown


def apart(name: str, others: Collection[str]) -> str:
    """`name`, with a number where somebody at the table has it already."""
    number, found = 1, name
    while found in others:
        number += 1
        suffix = f" ({number})"
        found = name[: LONGEST - len(suffix)] + suffix
    return found


def _require_visible(text: str, what: str) -> None:
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        if character != " " and kind[0] not in _VISIBLE:
            raise HallError("invalid", f"{what} holds no control or invisible characters")
        marks = marks + 1 if kind[0] == "M" else 0
        if marks > 3:
            raise HallError("invalid", f"{what} holds at most three accents on a letter")


def _bare(name: str) -> str:
    """What two names have in common that look the same at a glance."""
    letters = unicodedata.normalize("NFKD", name).translate(_LOOK_ALIKE).casefold()
    return "".join(character for character in letters if character.isalnum())
