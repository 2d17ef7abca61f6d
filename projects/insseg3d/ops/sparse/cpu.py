# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Calls of the compiled kernels of :mod:`insseg3d.ops.sparse.kernels` on torch tensors."""

import functools

import numpy as np
import torch
from torch import Tensor

from ..native import compile_kernels, run
from .neighbors import PairTable, block_bounds


def usable(features: Tensor) -> bool:
    """Return whether the compiled kernels accept these features."""
    return (
        features.device.type == 'cpu'
        and features.dtype in (torch.float32, torch.float64)
        and _kernels(features.dtype) is not None
    )


@functools.lru_cache(None)
def _kernels(dtype: torch.dtype):
    """Compile the kernels (convolve, correlate), or return None if that fails."""

    def load():
        from . import kernels as sparse_kernels

        number = np.float32 if dtype == torch.float32 else np.float64
        return sparse_kernels.make_convolve(number), sparse_kernels.make_correlate(number)

    return compile_kernels(load)


def convolve(
    features: Tensor, weight: Tensor, table: PairTable, start: Tensor | None = None
) -> Tensor:
    """Compute out[q] = start[q] + sum of features[p] @ weight[d] over all offsets' pairs (p, q).

    Args:
        features: ``(V_in, C_in)``.
        weight: ``(K, C_in, C_out)``.
        table: Pairs of input and output rows.
        start: ``(V_out, C_out)``, or None for zeros.

    Returns:
        ``(V_out, C_out)``.
    """
    features = features.contiguous()
    size, channels = features.element_size(), weight.shape[2]
    width = _width(size)
    weight, wide = _pad(weight, width), -(-channels // width) * width
    if weight.stride(2) != 1:
        weight = weight.contiguous()
    if start is not None:
        start = _pad(start, width).contiguous()
    out = features.new_empty(table.num_out, wide)
    block, blocks, bounds = _blocks(table)
    vectors = wide // width
    group = vectors if blocks >= 16 else 2
    groups = -(-vectors // group)
    run(
        _kernels(features.dtype)[0],
        [
            blocks,
            block,
            groups,
            group,
            vectors,
            features.data_ptr(),
            features.shape[1] * size,
            features.shape[1],
            weight.data_ptr(),
            weight.stride(0) * size,
            weight.stride(1) * size,
            out.data_ptr(),
            wide * size,
            0 if start is None else start.data_ptr(),
            table.num_out,
            len(table.count),
            table.rows.data_ptr(),
            table.in_start.ctypes.data,
            table.out_start.ctypes.data,
            bounds.ctypes.data,
        ],
        blocks * groups,
    )
    return out if wide == channels else out[:, :channels].contiguous()


def correlate(features: Tensor, grad: Tensor, table: PairTable) -> Tensor:
    """Sum grad[q] (outer) features[p] over the pairs (p, q) of each offset.

    Args:
        features: ``(V_in, C_in)``.
        grad: ``(V_out, C_out)``, gradient of the output.
        table: Pairs of input and output rows.

    Returns:
        ``(C_out, K, C_in)``, gradient of the weight.
    """
    grad = grad.contiguous()
    size, channels = features.element_size(), features.shape[1]
    width = _width(size)
    features = _pad(features, width).contiguous()
    out_channels, wide, offsets = grad.shape[1], features.shape[1], len(table.count)
    out = features.new_zeros(out_channels, offsets, wide)
    order = _by_length(table)
    span = 16
    spans = -(-out_channels // span)
    run(
        _kernels(features.dtype)[1],
        [
            offsets,
            spans,
            span,
            out_channels,
            wide // width,
            features.data_ptr(),
            wide * size,
            grad.data_ptr(),
            out_channels * size,
            out.data_ptr(),
            wide * size,
            offsets * wide * size,
            table.rows.data_ptr(),
            table.in_start.ctypes.data,
            table.out_start.ctypes.data,
            table.count.ctypes.data,
            order.ctypes.data,
        ],
        offsets * spans,
    )
    return out if wide == channels else out[:, :, :channels].contiguous()


def _width(itemsize: int) -> int:
    from .kernels import lanes

    return lanes(itemsize)


def _pad(tensor: Tensor, width: int) -> Tensor:
    missing = -tensor.shape[-1] % width
    return torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor


def _blocks(table: PairTable) -> tuple[int, int, np.ndarray]:
    """Return rows per block, number of blocks, and the blocks' bounds in each offset's list."""
    if 'blocks' not in table.cache:
        # There are enough blocks for all threads, but few enough that their pairs fill the tiles.
        block = 64
        while block < 512 and block * 16 < table.num_out:
            block *= 2
        blocks = -(-table.num_out // block)
        table.cache['blocks'] = block, blocks, block_bounds(table, block, blocks)
    return table.cache['blocks']


def _by_length(table: PairTable) -> np.ndarray:
    """Sort the offsets by decreasing length, so the last tasks of the threads are short."""
    if 'by_length' not in table.cache:
        table.cache['by_length'] = np.argsort(-table.count, kind='stable').astype(np.int64)
    return table.cache['by_length']
