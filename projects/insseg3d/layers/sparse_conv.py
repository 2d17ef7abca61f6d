# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolutions with one set of parameters and several backends."""

import math

import torch
from torch import Tensor, nn

from ..ops.sparse.conv import sparse_conv
from .backends import BACKENDS, choose_backend
from .sparse_tensor import SparseTensor


def spconv_tensor(features: Tensor, coors: Tensor, *, multiple: int = 1):
    """Make a ``spconv.pytorch.SparseConvTensor``, for networks of spconv's own modules.

    Args:
        features: ``(V, C)``, V at least 1.
        coors: ``(V, 4)`` integers (batch, x, y, z), not negative, no row twice.
        multiple: Round the extents up to a multiple of this; see ``SparseTensor.from_voxels``.

    Raises:
        ImportError: The package spconv 2 is not installed.
        RuntimeError: With several CPU threads of torch, spconv would compute wrong values.
    """
    from .spconv_backend import backend_of

    return backend_of('spconv').tensor(features, coors, multiple=multiple)


class _SparseConv(nn.Module):
    """Convolution with a weight (out, k, k, k, in), the layout of spconv 2, and without bias."""

    kernel_size: int

    def __init__(self, in_channels: int, out_channels: int, *, backend: str = 'auto'):
        super().__init__()
        if backend not in BACKENDS:
            raise ValueError(f'backend is {backend!r}, expected one of {BACKENDS}')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.backend = backend
        size = self.kernel_size
        self.weight = nn.Parameter(torch.empty(out_channels, size, size, size, in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def extra_repr(self) -> str:
        return f'{self.in_channels}, {self.out_channels}, backend={self.backend!r}'

    def _package(self, features: Tensor):
        """Return the backend that computes with another package, or None for torch."""
        name = choose_backend(self.backend, features)
        # spconv rejects empty tensors; the torch path returns an empty result with a graph.
        if name == 'torch' or features.shape[0] == 0:
            return None
        from .spconv_backend import backend_of

        return backend_of(name)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Accept (out, k, k, k, in), or (k, k, k, in, out) of spconv 1, by shape.

        spconv 2 and mmdetection3d decide by the version in the metadata, which is lost when keys
        are renamed and in plain dicts.
        """
        key = prefix + 'weight'
        if key in state_dict:
            weight = state_dict[key]
            turned = (4, 0, 1, 2, 3)
            if (
                weight.shape != self.weight.shape
                and weight.ndim == 5
                and weight.permute(turned).shape == self.weight.shape
            ):
                state_dict = dict(state_dict)
                state_dict[key] = weight.permute(turned).contiguous()
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class SubMConv3d(_SparseConv):
    """3x3x3 convolution whose output voxels are its input voxels.

    out[p] = sum over d in {-1, 0, 1}^3 of weight[:, d + 1] @ x[p + d], over occupied p + d.
    """

    kernel_size = 3

    def forward(self, x: SparseTensor) -> SparseTensor:
        if (package := self._package(x.features)) is not None:
            return x.replace(package.submanifold(x, self.weight))
        return x.replace(sparse_conv(x.features, self.weight, x.grid.submanifold))


class SparseConv3d(_SparseConv):
    """Kernel 2, stride 2: voxel q adds weight[:, q % 2] @ x[q] to voxel q // 2."""

    kernel_size = 2

    def forward(self, x: SparseTensor) -> SparseTensor:
        if (package := self._package(x.features)) is not None:
            features = package.strided(x, self.weight)
        else:
            features = sparse_conv(x.features, self.weight, x.grid.strided)
        return SparseTensor(features, x.grid.coarse)


class SparseInverseConv3d(_SparseConv):
    """Inverse of a stride: out[q] = weight[:, q % 2] @ y[q // 2] on the finer grid."""

    kernel_size = 2

    def forward(self, y: SparseTensor, fine: SparseTensor) -> SparseTensor:
        """Compute features on the finer grid.

        Args:
            y: Features on ``fine.grid.coarse``.
            fine: Tensor on the finer grid; its features are not used.

        Raises:
            ValueError: ``y`` does not lie on ``fine.grid.coarse``.
        """
        if y.grid is not fine.grid.coarse:
            raise ValueError(
                "the coarse tensor does not lie on the fine grid's coarse grid: "
                'give the tensor that came down from this level'
            )
        if (package := self._package(y.features)) is not None:
            return fine.replace(package.inverse(y, fine, self.weight))
        return fine.replace(sparse_conv(y.features, self.weight, fine.grid.strided.transposed()))
