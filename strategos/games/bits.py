"""Counting and finding set bits of a word: one machine instruction each, plain Python without the compiler."""

from __future__ import annotations

import numba
from numba import types
from numba.extending import intrinsic

if numba.config.DISABLE_JIT:

    def count_bits(word: int) -> int:
        """How many bits of a non-negative word are set."""
        return int(word).bit_count()

    def lowest_bit(word: int) -> int:
        """The place of the lowest set bit of a non-zero word."""
        word = int(word)
        return (word & -word).bit_length() - 1

else:

    @intrinsic
    def count_bits(typing_context, word):
        """How many bits of a non-negative int64 are set."""

        def generate(context, builder, signature, arguments):
            return builder.ctpop(arguments[0])

        return types.int64(types.int64), generate

    @intrinsic
    def lowest_bit(typing_context, word):
        """The place of the lowest set bit of a non-zero int64."""

        def generate(context, builder, signature, arguments):
            return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

        return types.int64(types.int64), generate
