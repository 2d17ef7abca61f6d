# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Keys of voxels: one int64 per voxel, in the order of (batch, x, y, z)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def key_strides(spatial_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the strides of (batch, x, y) in a key, with a margin of one cell on each side.

    The stride of z is 1.
    """
    x, y, z = (int(extent) + 2 for extent in spatial_shape)
    return x * y * z, y * z, z


def voxel_keys(coors: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """Compute one int64 per voxel, in the order of (batch, x, y, z).

    Args:
        coors: ``(V, 4)`` integers (batch, x, y, z).
        spatial_shape: Exclusive upper bounds of x, y and z.

    Returns:
        ``(V,)`` int64.
    """
    strides = key_strides(spatial_shape)
    coors = coors.long()
    keys = coors[:, 3] + (1 + strides[1] + strides[2])
    for column, stride in enumerate(strides):
        keys = keys + coors[:, column] * stride
    return keys


def halved(spatial_shape: Sequence[int]) -> list[int]:
    """Return the upper bounds of a grid at half the resolution.

    Raises:
        ValueError: If a bound is odd, which would leave voxels at the border without a parent.
    """
    if any(extent % 2 for extent in spatial_shape):
        raise ValueError(
            f'spatial shape {tuple(spatial_shape)} is odd: round every axis up to a '
            'multiple of 2 before a stride, border voxels would have no parent'
        )
    return [extent // 2 for extent in spatial_shape]


def check_range(coors: Tensor, spatial_shape: Sequence[int], batch_size: int) -> None:
    """Raise a ValueError that names the first coordinate outside its range."""
    if coors.ndim != 2 or coors.shape[1] != 4 or coors.is_floating_point():
        raise ValueError(
            'coors must be integers of shape (V, 4), columns (batch, x, y, z); got '
            f'{coors.dtype} of shape {tuple(coors.shape)}'
        )
    if coors.shape[0] == 0:
        return
    limits = (batch_size, *spatial_shape)
    least, most = torch.aminmax(coors, dim=0)
    for name, low, high, limit, column in zip(
        ('batch', 'x', 'y', 'z'), least.tolist(), most.tolist(), limits, range(4)
    ):
        if low < 0 or high >= limit:
            wrong = (coors[:, column] < 0) | (coors[:, column] >= limit)
            row = int(wrong.nonzero()[0])
            kind = 'negative' if int(coors[row, column]) < 0 else 'too large'
            raise ValueError(
                f'{name} = {int(coors[row, column])} of voxel row {row} is {kind}: '
                f'expected 0 <= {name} < {limit}; {int(wrong.sum())} rows are '
                'outside. Shift the scene minimum to 0 before voxelising'
            )
