# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The spconv 2 backend of this project's layers; rows stay in this project's order."""

import threading
from contextlib import nullcontext

import spconv.pytorch as spconv
import torch
from spconv.pytorch import ops as spconv_ops
from torch import Tensor

from ..ops.sparse.conv import autocast_dtype
from ..ops.sparse.neighbors import voxel_keys
from .sparse_tensor import Reorder, SparseTensor, inverse_order

HALF_DEVICES = ('cuda',)
"""Types of devices for which spconv has kernels in float16."""


class _Shells(threading.local):
    """The spconv modules of a thread by kind and shape; threads never share a module's weight."""

    def __init__(self):
        self.modules = {}


_shells = _Shells()


def tensor(features: Tensor, coors: Tensor, *, multiple: int) -> spconv.SparseConvTensor:
    """Make a tensor of spconv; see :func:`insseg3d.layers.spconv_tensor`."""
    _check_cpu(features)
    most = coors.amax(0).tolist()
    shape = [-(-(extent + 1) // multiple) * multiple for extent in most[1:]]
    return spconv.SparseConvTensor(
        features.contiguous(), coors.int().contiguous(), shape, most[0] + 1
    )


def submanifold(x: SparseTensor, weight: Tensor) -> Tensor:
    """Compute ``(V, C_out)`` features of a 3x3x3 submanifold convolution."""
    return _run(_shell(spconv.SubMConv3d, weight, 3, 'subm'), weight, x, x.features).features


def strided(x: SparseTensor, weight: Tensor) -> Tensor:
    """Compute ``(V', C_out)`` features on ``x.grid.coarse``, in its order."""
    cache, grads = x.grid.spconv_cache, _needs_grad(x.features, weight)
    # spconv rejects an existing table, which a second network on these voxels would find.
    cache.get(('tables', grads), {}).pop('down', None)
    out = _run(_shell(spconv.SparseConv3d, weight, 2, 'down', stride=2), weight, x, x.features)
    # spconv numbers coarse voxels in order of discovery; the rows of ``x.grid.coarse`` are sorted.
    order = torch.argsort(voxel_keys(out.indices, x.grid.coarse.spatial_shape))
    cache['to_sorted', grads] = order, inverse_order(order)
    return Reorder.apply(out.features, *cache['to_sorted', grads])


def inverse(y: SparseTensor, fine: SparseTensor, weight: Tensor) -> Tensor:
    """Compute ``(V, C_out)`` features on the finer grid."""
    grads = _needs_grad(y.features, weight)
    if ('to_sorted', grads) not in fine.grid.spconv_cache:
        # No strided convolution of spconv has run on this grid: a dummy one makes the table.
        with torch.set_grad_enabled(grads):
            dummy = y.features.new_zeros(fine.grid.coors.shape[0], 1)
            filler = y.features.new_zeros(1, 2, 2, 2, 1)
            strided(fine.replace(dummy), filler.requires_grad_(grads))
    order, back = fine.grid.spconv_cache['to_sorted', grads]
    module = _shell(spconv.SparseInverseConv3d, weight, 2, 'down')
    features = Reorder.apply(y.features, back, order)
    return _run(module, weight, y, features, fine.grid, order=back).features


def _run(module, weight: Tensor, x: SparseTensor, features: Tensor, table_grid=None, order=None):
    """Run a spconv module with a given weight on features of ``x.grid`` reordered by ``order``."""
    _check_cpu(features)
    kind = features.device.type
    lent, wanted = weight, autocast_dtype(kind) or features.dtype
    grads = _needs_grad(features, weight)
    has_kernels, exact = _has_half_kernels(kind, weight), nullcontext()
    if wanted == torch.float16 and has_kernels and not grads:
        # spconv itself follows autocast only if it records a graph.
        features, lent = features.half(), weight.half()
    elif torch.bfloat16 in (wanted, features.dtype) or (
        wanted == torch.float16 and not (has_kernels or grads and kind in HALF_DEVICES)
    ):
        # spconv has no kernels for these types. Under any autocast it computes with float16, whose
        # range is smaller than that of bfloat16.
        features, lent = features.float(), weight.float()
        exact = torch.autocast(kind, enabled=False)
    # In eval mode, spconv runs without autograd and makes tables without the backward half. Its
    # mode therefore follows the need for gradients, not the mode of the network.
    module.train(grads)
    grid = x.grid
    coors = grid.coors
    if order is not None:
        coors = coors[order]
    tensor = spconv.SparseConvTensor(
        features.contiguous(), coors.contiguous(), list(grid.spatial_shape), grid.batch_size
    )
    tables = (table_grid or grid).spconv_cache
    tensor.indice_dict = tables.setdefault(('tables', grads), {})
    module.weight = lent
    try:
        # spconv launches on the current device, which may differ from that of the features.
        with torch.cuda.device_of(features), exact:
            out = module(tensor)
    finally:
        del module.weight  # otherwise the shell would keep the weight in memory
    tables['tables', grads] = out.indice_dict
    return out if out.features.dtype == wanted else out.replace_feature(out.features.to(wanted))


def _has_half_kernels(kind: str, weight: Tensor) -> bool:
    """Tell whether spconv has float16 kernels: its tensor cores need multiples of 8 channels."""
    return kind in HALF_DEVICES and weight.shape[0] % 8 == 0 and weight.shape[-1] % 8 == 0


def _needs_grad(features: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad)


def _shell(kind, weight: Tensor, size: int, key: str, stride: int = 1):
    """Return this thread's spconv module of the right shape, without a weight."""
    called = kind, weight.shape, key
    if called not in _shells.modules:
        extra = {'stride': stride} if stride > 1 else {}
        module = kind(weight.shape[-1], weight.shape[0], size, bias=False, indice_key=key, **extra)
        del module.weight
        _shells.modules[called] = module
    return _shells.modules[called]


def _check_cpu(features: Tensor) -> None:
    if features.is_cuda:
        return
    if torch.get_num_threads() > 1:
        raise RuntimeError(
            'spconv returns wrong values on CPU with more than one thread (a data '
            'race in its scatter-add): use backend="torch", or call '
            'torch.set_num_threads(1) and set OMP_NUM_THREADS=1 first'
        )
    if not torch.cuda.is_available():
        # spconv's CPU backward requests the CUDA stream before it checks the device.
        spconv_ops.get_current_stream = lambda: 0
