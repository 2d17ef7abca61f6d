# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolution as a differentiable function of a table.

CPU tensors are computed over pair tables, by compiled kernels, see
:mod:`insseg3d.ops.sparse.cpu`, or by the plain torch operators below if these cannot be compiled.
Other devices have gather tables, see :mod:`insseg3d.ops.sparse.gather`.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import cpu as sparse_cpu
from .gather import GatherTable
from .pair_table import PairTable


def sparse_conv(features: Tensor, weight: Tensor, table: PairTable | GatherTable) -> Tensor:
    """Sum over kernel offsets d and pairs (q -> p) of d: ``out[p] += weight[:, d] @ features[q]``.

    Args:
        features: ``(V_in, C_in)`` floating point.
        weight: ``(C_out, k, k, k, C_in)``.
        table: Input and output rows of each offset.

    Returns:
        ``(V_out, C_out)``, of the dtype of the features (under autocast, of its dtype).

    Raises:
        ValueError: If the shape of the features matches neither the table nor the weight.
    """
    if features.shape != (table.num_in, weight.shape[-1]):
        raise ValueError(
            f'features have shape {tuple(features.shape)}, expected '
            f'{(table.num_in, weight.shape[-1])} (voxels, input channels)'
        )
    features = features.to(autocast_dtype(features.device.type) or features.dtype)
    return _SparseConv.apply(features, weight.to(features.dtype), table)


def autocast_dtype(kind: str) -> torch.dtype | None:
    """Return the dtype of autocast on a type of device ('cpu' or 'cuda'), or None if it is off."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    # torch < 2.4 has a function for each type of device instead.
    if kind == 'cpu':
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None


class _SparseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, weight: Tensor, table: PairTable | GatherTable) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.table = table
        return _convolve(features, weight.flatten(1, 3).permute(1, 2, 0), table)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        features, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_features = _convolve(
                grad, weight.flatten(1, 3).transpose(0, 1), ctx.table.transposed()
            )
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(features, grad, weight, ctx.table)
        return grad_features, grad_weight, None


def _convolve(features: Tensor, weight: Tensor, table: PairTable | GatherTable) -> Tensor:
    """Convolve with a weight (offset, in, out)."""
    if isinstance(table, GatherTable):
        return table.convolve(features, weight)
    if sparse_cpu.usable(features):
        return sparse_cpu.convolve(features, weight, table)
    if table.identity >= 0:
        out = features @ weight[table.identity]
    else:
        out = features.new_zeros(table.num_out, weight.shape[2])
    for offset in range(len(table.count)):
        if offset == table.identity or table.count[offset] == 0:
            continue
        # A row occurs at most once in an offset's list, so the order of addition is fixed.
        out.index_add_(
            0,
            table.out_rows(offset),
            features.index_select(0, table.in_rows(offset)) @ weight[offset],
        )
    return out


def _weight_gradient(
    features: Tensor, grad: Tensor, weight: Tensor, table: PairTable | GatherTable
) -> Tensor:
    if isinstance(table, GatherTable):
        return table.weight_gradient(features, grad).permute(2, 0, 1).reshape(weight.shape)
    if sparse_cpu.usable(features):
        return sparse_cpu.correlate(features, grad, table).view(weight.shape)
    out = torch.zeros_like(weight, memory_format=torch.contiguous_format)
    flat = out.view(out.shape[0], -1, out.shape[-1])
    for offset in range(len(table.count)):
        if offset == table.identity:
            flat[:, offset] = grad.t() @ features
        elif table.count[offset]:
            flat[:, offset] = grad.index_select(
                0, table.out_rows(offset)
            ).t() @ features.index_select(0, table.in_rows(offset))
    return out
