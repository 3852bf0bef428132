"""Counting the set bits of a word: one machine instruction, plain Python without the compiler."""

from __future__ import annotations

from typing import Any

from numba import config, types
from numba.extending import intrinsic

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def count_bits(word: Any) -> int:
        """How many bits of a non-negative word are set."""
        return int(word).bit_count()

else:

    @intrinsic
    def count_bits(typing_context, word) -> Any:
        """How many bits of a non-negative int64 are set."""

        def generate(context, builder, signature, arguments):
            return builder.ctpop(arguments[0])

        return types.int64(types.int64), generate
