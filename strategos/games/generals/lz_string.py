"""LZ-string, the compression of `.gior` replays: UTF-16 text in a stream of bits.

Reading is our own because the `lzstring` package has no limit on what it unpacks and takes a
file that ends early for an empty one; writing is the package's.
"""

from __future__ import annotations

import struct

_EIGHT_BITS, _SIXTEEN_BITS, _END = range(3)  # codes; every higher one is a phrase seen before


def decompress(data: bytes, limit: int) -> str:
    """The text in `data`; `ValueError` if it is damaged, ends early or unpacks to over `limit` units.

    A unit is 16 bits. Codes grow by a bit whenever the phrases outnumber them; each code but the
    first also adds a phrase: the one before it and the first unit of its own.
    """
    bits = format(int.from_bytes(data, "big"), f"0{8 * len(data)}b") if data else ""
    phrases = ["", "", ""]
    place, width, room = 0, 2, 1
    pieces: list[str] = []
    last, size = "", 0
    while True:
        code = int(bits[place : place + width][::-1] or "0", 2)
        place += width
        if code == _END:
            break
        if code < _END:
            length = 8 if code == _EIGHT_BITS else 16
            phrases.append(chr(int(bits[place : place + length][::-1] or "0", 2)))
            place += length
            code = len(phrases) - 1
            room -= 1
            if room == 0:
                room = 1 << width
                width += 1
        if code < len(phrases):
            piece = phrases[code]
        elif code == len(phrases) and last:
            piece = last + last[0]
        else:
            raise ValueError("the compressed text is damaged")
        if place > len(bits):
            raise ValueError("the compressed text ends early")
        size += len(piece)
        if size > limit:
            raise ValueError(f"the compressed text unpacks to more than {limit} characters")
        pieces.append(piece)
        if last:
            phrases.append(last + piece[0])
            room -= 1
            if room == 0:
                room = 1 << width
                width += 1
        last = piece
    if place > len(bits):
        raise ValueError("the compressed text ends early")
    try:
        return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise ValueError("the compressed text is damaged") from error


def compress(text: str) -> bytes:
    """`text` as the site's own compressor writes it."""
    from lzstring import LZString  # late: it drags a compatibility layer for Python 2 along

    units = struct.iter_unpack(">H", text.encode("utf-16-be"))
    packed = LZString.compress("".join(chr(unit) for (unit,) in units))
    return b"".join(ord(unit).to_bytes(2, "big") for unit in packed)
