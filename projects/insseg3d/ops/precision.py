# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Guards of long sums, which need float32: float16 counts up to 2048, bfloat16 up to 256."""

import torch
from torch import Tensor

HALVES = (torch.float16, torch.bfloat16)


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Return a context in which autocast is off on the tensor's device.

    Casting the inputs is not enough: under autocast, a product of two float32 matrices is computed
    in half precision.
    """
    return torch.autocast(tensor.device.type, enabled=False)


def refuse_half(tensor: Tensor, what: str) -> None:
    """Check that a tensor may be summed over many rows. Integers and booleans may.

    Args:
        tensor: Tensor to sum.
        what: Names of the function and its argument, for the error.

    Raises:
        TypeError: The tensor is float16 or bfloat16.
    """
    if tensor.dtype in HALVES:
        raise TypeError(
            f'{what} are {tensor.dtype}, expected float32 or wider: a sum over many points is '
            'wrong in half precision. Compute them with torch.autocast(…, enabled=False), '
            'from inputs cast by .float().'
        )


def long_sums(tensor: Tensor, what: str) -> torch.autocast:
    """Combine both of the above, for ``with long_sums(logits, 'mask_sums: logits'):``."""
    refuse_half(tensor, what)
    return without_autocast(tensor)
