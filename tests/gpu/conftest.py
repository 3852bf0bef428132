"""What only a GPU can show: everything here is left out, and says so, where torch finds none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def device() -> Iterator[str]:
    """The GPU, at the precision that the CPU computes in."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no usable GPU here")
    # TF32 rounds the factors of every product to ten bits: no CPU would agree.
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    yield "cuda"
    products.allow_tf32, convolutions.allow_tf32 = before
