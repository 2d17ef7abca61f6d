# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Floating-point operations of a forward pass, counted while it runs."""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.overrides import BaseTorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from insseg3d.layers import SparseConv3d, SparseInverseConv3d, SubMConv3d

KINDS = ('sparse convolution', 'matrix product', 'attention')
_SPARSE = (SubMConv3d, SparseConv3d, SparseInverseConv3d)
_OTHERS = ('spconv.', 'MinkowskiEngine.', 'torchsparse.')


def count_operations(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Run a function and count its multiplications and additions, two per multiply-add.

    Sparse convolutions count the pairs of neighbours that exist, times the channels, from the
    neighbour tables. Linear layers and matrix products are counted when the backend runs
    them; attention by the shapes of queries, keys and values. As is customary, norms, activations,
    means and other work in proportion to the elements are left out.

    Args:
        model: Model that ``run`` calls; its sparse convolutions are watched.
        run: Function that does a forward pass.

    Returns:
        Operations of each of ``KINDS``.

    Raises:
        ValueError: If the model holds sparse layers of another library, whose tables are not
            known here: the count would be too low.
    """
    for name, module in model.named_modules():
        if type(module).__module__.startswith(_OTHERS) and list(module.parameters(False)):
            raise ValueError(
                f'{name}: {type(module).__name__} of {type(module).__module__.split(".")[0]} '
                'cannot be counted; expected the sparse layers of insseg3d.layers.'
            )
    counter = _Counter()
    with contextlib.ExitStack() as hooks, torch.no_grad():
        for module in model.modules():
            if isinstance(module, _SPARSE):
                hooks.callback(module.register_forward_pre_hook(counter.enter).remove)
                hooks.callback(module.register_forward_hook(counter.leave).remove)
        # The fused attention of inference is one operator that hides its parts. The
        # mode changes nothing, but while there is one, nn.MultiheadAttention goes without; the
        # switch for it, torch.backends.mha, came with torch 2.3.
        with BaseTorchFunctionMode(), counter:
            run()
    return counter.counts


class _Counter(TorchDispatchMode):
    """Counter of operators; inside a sparse convolution the pairs are counted instead."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = dict.fromkeys(KINDS, 0)
        self._depth = 0

    def enter(self, module: nn.Module, args: tuple) -> None:
        self._depth += 1

    def leave(self, module: nn.Module, args: tuple, output: object) -> None:
        if isinstance(module, SubMConv3d):
            table = args[0].grid.submanifold
        elif isinstance(module, SparseConv3d):
            table = args[0].grid.strided
        else:
            table = args[1].grid.strided
        channels = module.in_channels * module.out_channels
        self.counts['sparse convolution'] += 2 * table.num_pairs * channels
        self._depth -= 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if not self._depth:
            name = func.overloadpacket.__name__.rstrip('_')  # also in place
            if name in _PRODUCTS:
                self.counts['matrix product'] += 2 * _PRODUCTS[name](*args)
            elif name.startswith('_scaled_dot_product'):
                self.counts['attention'] += 2 * _attention(*args[:3])
        return out


def _mm(left: Tensor, right: Tensor, *_) -> int:
    return left.numel() * right.shape[-1]


def _addmm(_: Tensor, left: Tensor, right: Tensor, *rest) -> int:
    return left.numel() * right.shape[-1]


def _mv(left: Tensor, right: Tensor, *_) -> int:
    return left.numel()


_PRODUCTS = {
    'mm': _mm,
    'bmm': _mm,
    'addmm': _addmm,
    'baddbmm': _addmm,
    'mv': _mv,
    'dot': _mv,
    'addmv': lambda _, left, right, *rest: left.numel(),
}


def _attention(queries: Tensor, keys: Tensor, values: Tensor) -> int:
    """Count the products of queries with keys and of weights with values."""
    return queries.numel() * keys.shape[-2] + queries[..., 0].numel() * values[0, 0].numel()
