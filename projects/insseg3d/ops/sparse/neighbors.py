# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pairs of neighbouring voxels: the pair tables of sparse convolutions.

Each voxel has an int64 key; the order of the keys is the order of (batch, x, y, z). The search
relies on two properties of sorted keys. Adding a constant keeps their order, so the neighbours in
one direction are found in ascending rows. The three neighbours in one (dx, dy) column have
consecutive keys, so one search finds all three.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..native import compile_kernels, run
from .pair_table import Coarsened, PairTable
from .voxel_keys import check_range, halved, key_strides, voxel_keys

# Offsets (dx, dy, dz) of a 3x3x3 kernel have the index (dx + 1) * 9 + (dy + 1) * 3 + (dz + 1).
CENTRE = 13
# One search finds the three dz of a column; the mirrored columns need no search.
_COLUMNS = ((0, 1), (1, -1), (1, 0), (1, 1))


class SortedVoxels(NamedTuple):
    """Voxels in the order of their keys.

    Attributes:
        coors: ``(V, 4)`` int32 (batch, x, y, z), ascending.
        keys: ``(V,)`` int64, strictly ascending.
        order: ``(V,)`` int64, input row of every sorted row, or None if the input was sorted.
    """

    coors: Tensor
    keys: Tensor
    order: Tensor | None


def sort_voxels(coors: Tensor, spatial_shape: Sequence[int], batch_size: int) -> SortedVoxels:
    """Sort voxels by (batch, x, y, z) and check that they form a set inside the grid.

    Args:
        coors: ``(V, 4)`` integers (batch, x, y, z), rows in any order.
        spatial_shape: Exclusive upper bounds of x, y and z.
        batch_size: Exclusive upper bound of the batch index.

    Raises:
        ValueError: If a coordinate is negative or too large, or if two rows are equal.
    """
    check_range(coors, spatial_shape, batch_size)
    if batch_size * key_strides(spatial_shape)[0] >= 2**63 or max(spatial_shape) >= 2**31:
        raise ValueError(
            f'the grid {tuple(spatial_shape)} x {batch_size} scenes has too many '
            'cells for 64-bit keys: enlarge the voxels or clip far-away points'
        )
    coors = coors.int()
    keys = voxel_keys(coors, spatial_shape)
    order = None
    if keys.numel() > 1 and not bool((keys[1:] > keys[:-1]).all()):
        keys, order = _argsort(keys)
        coors = coors[order]
        equal = keys[1:] == keys[:-1]
        if bool(equal.any()):
            row = int(equal.nonzero()[0])
            rows = sorted((int(order[row]), int(order[row + 1])))
            raise ValueError(
                f'duplicate voxel {coors[row].tolist()} (batch, x, y, z) in rows '
                f'{rows[0]} and {rows[1]}, {int(equal.sum())} duplicates in all: '
                'voxels must be unique, merge the points of a voxel first'
            )
    return SortedVoxels(coors=coors, keys=keys, order=order)


def submanifold_pairs(keys: Tensor, spatial_shape: Sequence[int]) -> PairTable:
    """Find the pairs of a 3x3x3 convolution whose output voxels are its input voxels.

    Output row p reads input row q at offset d if voxel q = voxel p + d.

    Args:
        keys: ``(V,)`` int64, strictly ascending, from :func:`voxel_keys` of the same grid.
        spatial_shape: Exclusive upper bounds of x, y and z.
    """
    num_voxels = keys.shape[0]
    if _native(keys):
        return _submanifold_native(keys, spatial_shape)
    _, stride_x, stride_y = key_strides(spatial_shape)
    here = torch.arange(num_voxels, device=keys.device)
    lists = {(0, 0, 1): _matches(keys, keys + 1, here + 1)}
    for dx, dy in _COLUMNS:
        target = keys + (dx * stride_x + dy * stride_y - 1)
        there = torch.searchsorted(keys, target)
        for dz in (-1, 0, 1):
            found, hit = _lookup(keys, target, there)
            lists[dx, dy, dz] = (found.nonzero().squeeze(1), there[found])
            target, there = target + 1, there + hit
    parts, start = [here.int()], num_voxels
    in_start, out_start, count = (np.zeros(27, np.int64) for _ in range(3))
    count[CENTRE] = num_voxels
    for (dx, dy, dz), (out_rows, in_rows) in lists.items():
        offset, length = (dx + 1) * 9 + (dy + 1) * 3 + dz + 1, out_rows.numel()
        parts += [out_rows.int(), in_rows.int()]
        count[offset] = count[26 - offset] = length
        out_start[offset] = in_start[26 - offset] = start
        in_start[offset] = out_start[26 - offset] = start + length
        start += 2 * length
    return _submanifold_table(torch.cat(parts), in_start, out_start, count)


def _submanifold_table(
    rows: Tensor, in_start: np.ndarray, out_start: np.ndarray, count: np.ndarray
) -> PairTable:
    return PairTable(
        rows=rows,
        in_start=in_start,
        out_start=out_start,
        count=count,
        num_in=int(count[CENTRE]),
        num_out=int(count[CENTRE]),
        identity=CENTRE,
    )


def strided_pairs(coors: Tensor, spatial_shape: Sequence[int]) -> Coarsened:
    """Find the parents and pairs of a convolution with kernel 2 and stride 2.

    Args:
        coors: ``(V, 4)`` int32 sorted by (batch, x, y, z).
        spatial_shape: Exclusive upper bounds of x, y and z; they must be even.

    Raises:
        ValueError: If a bound is odd, which would leave voxels at the border without a parent.
    """
    shape = halved(spatial_shape)
    num_voxels = coors.shape[0]
    if _native(coors):
        return _strided_native(coors.contiguous(), shape)
    parents = coors.clone()
    parents[:, 1:] >>= 1
    keys, order = _argsort(voxel_keys(parents, shape))
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    parent_row = torch.empty_like(order)
    parent_row[order] = torch.cumsum(first, 0) - 1
    corner = ((coors[:, 1] & 1) << 2) | ((coors[:, 2] & 1) << 1) | (coors[:, 3] & 1)
    _, child_row = torch.sort(corner, stable=True)
    count = torch.bincount(corner, minlength=8).cpu().numpy()
    in_start = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
    rows = torch.cat([child_row, parent_row[child_row]]).int()
    table = PairTable(
        rows=rows,
        in_start=in_start,
        out_start=in_start + num_voxels,
        count=count,
        num_in=num_voxels,
        num_out=int(first.sum()),
    )
    return Coarsened(coors=parents[order[first]], keys=keys[first], table=table)


def _argsort(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Sort keys stably; return the sorted keys and their rows before."""
    if keys.device.type == 'cpu':
        order = torch.from_numpy(np.argsort(keys.numpy(), kind='stable'))
        return keys[order], order
    return torch.sort(keys, stable=True)


def _lookup(keys: Tensor, target: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Return whether ``keys[there]`` is the target, as bool and as int64."""
    inside = there < keys.shape[0]
    found = inside & (keys[there.clamp(max=max(keys.shape[0] - 1, 0))] == target)
    return found, found.long()


def _matches(keys: Tensor, target: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output and input rows of the targets that are ``keys[there]``."""
    found, _ = _lookup(keys, target, there)
    return found.nonzero().squeeze(1), there[found]


@functools.lru_cache(None)
def _kernels():

    def load():
        from . import neighbor_kernels as kernels

        return kernels.find_neighbors, kernels.coarsen, kernels.find_bounds

    return compile_kernels(load)


def _native(tensor: Tensor) -> bool:
    return tensor.device.type == 'cpu' and tensor.shape[0] > 0 and _kernels() is not None


def _submanifold_native(keys: Tensor, spatial_shape: Sequence[int]) -> PairTable:
    num_voxels = keys.shape[0]
    _, stride_x, stride_y = key_strides(spatial_shape)
    shifts = np.array([0] + [dx * stride_x + dy * stride_y - 1 for dx, dy in _COLUMNS], np.int64)
    # The buffer starts with the list of all rows, for the centre. An output list and an input list
    # follow for each offset; the unused end of a list is never touched and takes no memory.
    rows = torch.empty(27 * num_voxels, dtype=torch.int32)
    torch.arange(num_voxels, out=rows[:num_voxels])
    found = np.zeros(13, np.int64)
    run(
        _kernels()[0],
        [
            num_voxels,
            keys.data_ptr(),
            shifts.ctypes.data,
            rows.data_ptr() + 4 * num_voxels,
            found.ctypes.data,
        ],
        5,
    )
    half = np.arange(13)
    in_start, out_start, count = (np.zeros(27, np.int64) for _ in range(3))
    for start, mirrored, first in ((out_start, in_start, 1), (in_start, out_start, 2)):
        start[14:] = mirrored[12::-1] = (2 * half + first) * num_voxels
    count[14:], count[CENTRE], count[12::-1] = found, num_voxels, found
    return _submanifold_table(rows, in_start, out_start, count)


def _strided_native(coors: Tensor, shape: Sequence[int]) -> Coarsened:
    num_voxels = coors.shape[0]
    strides = key_strides(shape)
    rows = torch.empty(16 * num_voxels, dtype=torch.int32)
    count = np.zeros(8 + 1 + 16, np.int64)
    child_keys, keys = torch.empty(2, num_voxels, dtype=torch.int64)
    parents = torch.empty(num_voxels, 4, dtype=torch.int32)
    run(
        _kernels()[1],
        [
            num_voxels,
            coors.data_ptr(),
            *strides,
            1 + strides[1] + strides[2],
            rows.data_ptr(),
            count.ctypes.data,
            child_keys.data_ptr(),
            parents.data_ptr(),
            keys.data_ptr(),
        ],
        1,
    )
    num_parents, start = int(count[8]), np.arange(8, dtype=np.int64) * num_voxels
    table = PairTable(
        rows=rows,
        in_start=start,
        out_start=start + 8 * num_voxels,
        count=count[:8].copy(),
        num_in=num_voxels,
        num_out=num_parents,
    )
    return Coarsened(
        coors=parents[:num_parents].clone(), keys=keys[:num_parents].clone(), table=table
    )


def block_bounds(table: PairTable, block: int, blocks: int) -> np.ndarray:
    """Find the start of each block of output rows in each offset's list.

    Args:
        table: The pair table.
        block: Rows per block.
        blocks: Number of blocks.

    Returns:
        ``(blocks + 1, K)`` int32.
    """
    bounds = np.zeros((blocks + 1, len(table.count)), np.int32)
    run(
        _kernels()[2],
        [
            len(table.count),
            table.rows.data_ptr(),
            table.out_start.ctypes.data,
            table.count.ctypes.data,
            block,
            blocks,
            bounds.ctypes.data,
        ],
        len(table.count),
    )
    return bounds
