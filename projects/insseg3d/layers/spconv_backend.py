# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Backends of this project's layers with the interface of spconv 2: spconv, and spconv-triton.

Rows stay in this project's order.
"""

import functools
import importlib
import threading
from contextlib import nullcontext
from types import ModuleType

import torch
from torch import Tensor

from ..ops.sparse.conv import autocast_dtype
from ..ops.sparse.voxel_keys import voxel_keys
from .backends import MODULES, PACKAGES
from .sparse_tensor import Reorder, SparseTensor, inverse_order

HALF_DEVICES = ('cuda',)
"""Types of devices for which the packages have kernels in float16."""


class _Shells(threading.local):
    """The modules of a thread by kind and shape; threads never share a module's weight."""

    def __init__(self):
        self.modules = {}


@functools.lru_cache(None)
def backend_of(name: str) -> 'SpconvBackend':
    """Return the backend 'spconv' or 'triton'.

    Raises:
        ImportError: Its package is not installed, or cannot be imported.
    """
    try:
        module = importlib.import_module(MODULES[name])
    except Exception as error:  # a broken build may raise errors of any class
        raise ImportError(
            f"backend='{name}': {PACKAGES[name]} cannot be imported ({error}); install it, or use "
            "backend='auto' or 'torch'."
        ) from error
    return SpconvBackend(name, module)


class SpconvBackend:
    """Convolutions of a package with spconv's interface, with weights of this project's layers.

    Args:
        name: Name of the backend, under which a grid keeps its tables.
        module: ``spconv.pytorch``, or a module with the same classes.
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name, self.spconv = name, module
        self._shells = _Shells()

    def tensor(self, features: Tensor, coors: Tensor, *, multiple: int):
        """Make a tensor of the package; see :func:`insseg3d.layers.spconv_tensor`."""
        self._check_cpu(features)
        most = coors.amax(0).tolist()
        shape = [-(-(extent + 1) // multiple) * multiple for extent in most[1:]]
        return self.spconv.SparseConvTensor(
            features.contiguous(), coors.int().contiguous(), shape, most[0] + 1
        )

    def submanifold(self, x: SparseTensor, weight: Tensor) -> Tensor:
        """Compute ``(V, C_out)`` features of a 3x3x3 submanifold convolution."""
        module = self._shell(self.spconv.SubMConv3d, weight, 3, 'subm')
        return self._run(module, weight, x, x.features).features

    def strided(self, x: SparseTensor, weight: Tensor) -> Tensor:
        """Compute ``(V', C_out)`` features on ``x.grid.coarse``, in its order."""
        cache, grads = self._cache(x.grid), _needs_grad(x.features, weight)
        # spconv rejects an existing table, which a second network on these voxels would find.
        cache.get(('tables', grads), {}).pop('down', None)
        module = self._shell(self.spconv.SparseConv3d, weight, 2, 'down', stride=2)
        out = self._run(module, weight, x, x.features)
        # spconv numbers coarse voxels in order of discovery; the rows of ``x.grid.coarse`` are
        # sorted.
        order = torch.argsort(voxel_keys(out.indices, x.grid.coarse.spatial_shape))
        cache['to_sorted', grads] = order, inverse_order(order)
        return Reorder.apply(out.features, *cache['to_sorted', grads])

    def inverse(self, y: SparseTensor, fine: SparseTensor, weight: Tensor) -> Tensor:
        """Compute ``(V, C_out)`` features on the finer grid."""
        grads, cache = _needs_grad(y.features, weight), self._cache(fine.grid)
        if ('to_sorted', grads) not in cache:
            # No strided convolution has run on this grid: a dummy one makes the table.
            with torch.set_grad_enabled(grads):
                dummy = y.features.new_zeros(fine.grid.coors.shape[0], 1)
                filler = y.features.new_zeros(1, 2, 2, 2, 1)
                self.strided(fine.replace(dummy), filler.requires_grad_(grads))
        order, back = cache['to_sorted', grads]
        module = self._shell(self.spconv.SparseInverseConv3d, weight, 2, 'down')
        features = Reorder.apply(y.features, back, order)
        return self._run(module, weight, y, features, fine.grid, order=back).features

    def _cache(self, grid) -> dict:
        return grid.package_tables.setdefault(self.name, {})

    def _run(self, module, weight, x: SparseTensor, features, table_grid=None, order=None):
        """Run a module with a given weight on features of ``x.grid`` reordered by ``order``."""
        self._check_cpu(features)
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
            # There are no kernels for these types. Under any autocast, spconv computes with
            # float16, whose range is smaller than that of bfloat16.
            features, lent = features.float(), weight.float()
            exact = torch.autocast(kind, enabled=False)
        # In eval mode, spconv runs without autograd and makes tables without the backward half.
        # Its mode therefore follows the need for gradients, not the mode of the network.
        module.train(grads)
        grid = x.grid
        coors = grid.coors if order is None else grid.coors[order]
        tensor = self.spconv.SparseConvTensor(
            features.contiguous(), coors.contiguous(), list(grid.spatial_shape), grid.batch_size
        )
        tables = self._cache(table_grid or grid)
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

    def _shell(self, kind, weight: Tensor, size: int, key: str, stride: int = 1):
        """Return this thread's module of the right shape, without a weight."""
        modules, called = self._shells.modules, (kind, weight.shape, key)
        if called not in modules:
            extra = {'stride': stride} if stride > 1 else {}
            module = kind(
                weight.shape[-1], weight.shape[0], size, bias=False, indice_key=key, **extra
            )
            del module.weight
            modules[called] = module
        return modules[called]

    def _check_cpu(self, features: Tensor) -> None:
        """Refuse what the package cannot compute on a CPU."""
        if features.is_cuda:
            return
        if self.name != 'spconv':
            raise RuntimeError(
                f"backend='{self.name}': {PACKAGES[self.name]} computes on GPUs only, and the "
                f"features are on {features.device}; use backend='auto' or 'torch'."
            )
        if torch.get_num_threads() > 1:
            raise RuntimeError(
                'spconv returns wrong values on CPU with more than one thread (a data '
                'race in its scatter-add): use backend="torch", or call '
                'torch.set_num_threads(1) and set OMP_NUM_THREADS=1 first'
            )
        if not torch.cuda.is_available():
            # spconv's CPU backward requests the CUDA stream before it checks the device.
            self.spconv.ops.get_current_stream = lambda: 0


def _has_half_kernels(kind: str, weight: Tensor) -> bool:
    """Tell whether there are float16 kernels: tensor cores need multiples of 8 channels."""
    return kind in HALF_DEVICES and weight.shape[0] % 8 == 0 and weight.shape[-1] % 8 == 0


def _needs_grad(features: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad)
