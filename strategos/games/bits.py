"""Counting the set bits of a word: one machine instruction, plain Python without the compiler."""

from __future__ import annotations

import numba
from numba import types
from numba.extending import intrinsic

if numba.config.DISABLE_JIT:

    def count_bits(word: int) -> int:
        """How many bits of a non-negative word are set."""
        return int(word).bit_count()

else:

    @intrinsic
    def count_bits(typing_context, word):
        """How many bits of a non-negative int64 are set."""

        def generate(context, builder, signature, arguments):
            return builder.ctpop(arguments[0])

        return types.int64(types.int64), generate
