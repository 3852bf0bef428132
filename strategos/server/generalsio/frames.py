"""How packets of Engine.IO 3 and 4 lie in the body of a request, and what a handshake says.

A packet is a digit, its kind, and text. In version 4 the packets of a body are separated by a control
character; in version 3 each begins with its length, in the units of JavaScript's strings, and a colon, or
in bytes with a 0, the digits of its length as bytes, and 255.
Over polling, the first clients of version 3 encode twice what is not ASCII, later ones once: both are
read, and ASCII is sent. Nothing here is connected to anybody.
"""

from __future__ import annotations

import json
import re

import orjson

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
VERSIONS = (3, 4)
SEPARATOR = "\x1e"
_OTHERS = re.compile(r"[^\x00-\x7f]+")
_TEXT, _END = b"\x00", b"\xff"
"""What a packet in bytes begins with if it is text, and what ends its length."""
_DIGITS = 9
"""Digits of the longest length of a packet that is read."""


class FrameError(ValueError):
    """A body that holds no packets: what was expected."""


def encode_body(version: int, packets: list[str], *, in_bytes: bool = False) -> bytes:
    """The body that carries `packets` to a client of `version`, one of version 3 perhaps `in_bytes`."""
    if version == 4:
        return SEPARATOR.join(packets).encode()
    if in_bytes:
        return b"".join(map(_in_bytes, packets))
    return "".join(f"{_units(packet)}:{packet}" for packet in packets).encode()


def decode_body(version: int, body: bytes) -> list[str]:
    """The packets of a body that a client of `version` sent; `FrameError` for anything else."""
    if version == 3 and body.startswith(_TEXT):
        return _decode_bytes(body)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise FrameError("a body is UTF-8 text; binary packets are not taken") from None
    if not text:
        raise FrameError("a body holds one packet or more")
    if version == 4:
        return text.split(SEPARATOR)
    return _decode_lengths(text)


def _decode_lengths(text: str) -> list[str]:
    """Packets of version 3; a client that knows no lengths may send one bare packet, as some do."""
    digits, colon, _ = text.partition(":")
    if not colon or not digits.isdecimal():
        return [text]
    raw = text.encode("utf-16-le", "surrogatepass")  # two bytes a unit of JavaScript's
    packets, place = [], 0
    while place < len(raw):
        head = raw[place : place + 2 * (_DIGITS + 1)].decode("utf-16-le", "replace")
        digits, colon, _ = head.partition(":")
        if not colon or not (digits.isascii() and digits.isdecimal()):
            raise FrameError("a packet of version 3 begins with its length and a colon")
        first = place + 2 * (len(digits) + 1)
        place = first + 2 * int(digits)
        if place > len(raw):
            raise FrameError(f"a packet of {digits} letters is promised, {(len(raw) - first) // 2} are there")
        packets.append(_undoubled(raw[first:place].decode("utf-16-le", "replace")))
    return packets


def _in_bytes(packet: str) -> bytes:
    text = packet.encode()
    return _TEXT + bytes(map(int, str(len(text)))) + _END + text


def is_in_bytes(body: bytes) -> bool:
    """Whether an encoded body is one of bytes, and not of text."""
    return body.startswith(_TEXT)


def _decode_bytes(body: bytes) -> list[str]:
    packets, place = [], 0
    while place < len(body):
        head, end, _ = body[place : place + _DIGITS + 2].partition(_END)
        length = "".join(map(str, head[1:]))
        if not head.startswith(_TEXT) or not end or not length or max(head) > 9:
            raise FrameError("a packet in bytes begins with a 0, the digits of its length, and 255")
        first = place + len(head) + 1
        place = first + int(length)
        if place > len(body):
            raise FrameError(f"a packet of {length} bytes is promised, {len(body) - first} are there")
        try:
            packets.append(body[first:place].decode())
        except UnicodeDecodeError:
            raise FrameError("a packet is UTF-8 text; binary ones are not taken") from None
    return packets


def _undoubled(text: str) -> str:
    """Text of a client of the first generation, which encodes it as UTF-8 before it is encoded as UTF-8."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def ascii_json(text: str) -> str:
    """A packet in letters that every client reads alike: others stand in JSON's escapes."""
    return _OTHERS.sub(lambda found: json.dumps(found.group())[1:-1], text)


def _units(text: str) -> int:
    """The length of a text in JavaScript: letters beyond the basic plane count twice."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def handshake(
    sid: str, *, upgrades: list[str], ping_interval_s: float, ping_timeout_s: float, largest: int
) -> str:
    """The packet that opens a session."""
    told = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": int(1000 * ping_interval_s),
        "pingTimeout": int(1000 * ping_timeout_s),
        "maxPayload": largest,
    }
    return OPEN + orjson.dumps(told).decode()
