"""Counter-based random numbers that live in a game's record.

Draw number `counter` of stream `key` is a hash of the two: no hidden state, so a stream can be
saved, cloned and continued on any thread. Everything is int64 arithmetic that never overflows
(32-bit words times 31-bit constants), or exact in float64, so that plain Python and compiled
code agree.

Source of the mixing constants: the published search of the hash-prospector project for 32-bit
integer hashes of low bias.
"""

from __future__ import annotations

from strategos.games.compiled import kernel

_WORD = 0xFFFFFFFF
_WORDS = 4294967296.0


@kernel
def mix(word: int) -> int:
    """Hash 32 bits to 32 bits, a bijection."""
    word &= _WORD
    word ^= word >> 16
    word = (word * 0x21F0AAAD) & _WORD
    word ^= word >> 15
    word = (word * 0x735A2D97) & _WORD
    word ^= word >> 15
    return word


@kernel
def draw(key: int, counter: int) -> int:
    """Draw number `counter` of the stream `key` (any int64), uniform in [0, 2**32)."""
    low = mix(key ^ (counter * 0x9E3779B9 & _WORD))
    high = mix((key >> 32) + counter + 0x632BE5AB)
    return mix(low ^ mix(high + low))


@kernel
def below(key: int, counter: int, bound: int) -> int:
    """Draw number `counter`, uniform in [0, bound); the bias is under bound / 2**32."""
    return (draw(key, counter) * bound) >> 32


@kernel
def uniform(key: int, counter: int) -> float:
    """Draw number `counter`, uniform in [0, 1), in steps of 2**-32."""
    return draw(key, counter) / _WORDS


@kernel
def uniform_inside(key: int, counter: int) -> float:
    """Draw number `counter`, uniform and never 0 or 1: its logarithm is finite and below 0."""
    return (draw(key, counter) + 0.5) / _WORDS


@kernel
def derive(key: int, index: int) -> int:
    """The key of child stream `index`: games of a batch, episodes of a game."""
    return draw(key, 2 * index) | (draw(key ^ 0x5851F42D, 2 * index + 1) >> 1) << 32
