# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Features on the occupied cells of a voxel grid."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..ops.sparse.gather import GatherTable, gathers, strided_rows, submanifold_rows
from ..ops.sparse.neighbors import sort_voxels, strided_pairs, submanifold_pairs
from ..ops.sparse.pair_table import PairTable


class VoxelGrid:
    """The occupied cells of a batch of scenes at one resolution, and their tables.

    Tables are made on first use and shared by all layers of the level.

    Attributes:
        coors: ``(V, 4)`` int32 (batch, x, y, z), ascending.
        keys: ``(V,)`` int64, one per voxel, ascending.
        spatial_shape: Exclusive upper bounds of x, y and z.
        batch_size: Number of scenes, including empty ones.
        order: ``(V,)`` int64 input row of each voxel; None if the input was sorted.
        package_tables: Tables of the backends that are other packages, by backend.
    """

    def __init__(
        self,
        coors: Tensor,
        keys: Tensor,
        spatial_shape: Sequence[int],
        batch_size: int,
        order: Tensor | None = None,
    ):
        self.coors = coors
        self.keys = keys
        self.spatial_shape = tuple(spatial_shape)
        self.batch_size = batch_size
        self.order = order
        self.package_tables = {}
        self._submanifold = None
        self._coarse = None

    @property
    def submanifold(self) -> PairTable | GatherTable:
        """Table of the 3x3x3 convolution on this grid."""
        if self._submanifold is None:
            find = submanifold_rows if gathers(self.keys) else submanifold_pairs
            self._submanifold = find(self.keys, self.spatial_shape)
        return self._submanifold

    @property
    def strided(self) -> PairTable | GatherTable:
        """Table of the kernel-2 stride-2 convolution from this grid to :attr:`coarse`."""
        return self._coarsen()[0]

    @property
    def coarse(self) -> 'VoxelGrid':
        """Grid of half the resolution, with voxels floor(x / 2)."""
        return self._coarsen()[1]

    def _coarsen(self):
        if self._coarse is None:
            find = strided_rows if gathers(self.keys) else strided_pairs
            coors, keys, table = find(self.coors, self.spatial_shape)
            shape = [extent // 2 for extent in self.spatial_shape]
            self._coarse = (table, VoxelGrid(coors, keys, shape, self.batch_size))
        return self._coarse


class SparseTensor(NamedTuple):
    """Features of the voxels of a grid.

    Attributes:
        features: ``(V, C)`` floating point, rows in the order of ``grid.coors``.
        grid: Grid of the voxels.
    """

    features: Tensor
    grid: VoxelGrid

    @classmethod
    def from_voxels(
        cls, features: Tensor, coors: Tensor, *, multiple: int = 1, batch_size: int | None = None
    ) -> 'SparseTensor':
        """Make a sparse tensor from voxels in any order.

        Args:
            features: ``(V, C)``.
            coors: ``(V, 4)`` integers (batch, x, y, z), not negative, no row twice.
            multiple: Round the extents up to a multiple of this. A network of L levels needs
                2 ** (L - 1), because a stride drops the last voxel of an odd axis.
            batch_size: Number of scenes; None takes the largest batch index plus one.

        Raises:
            ValueError: Coordinates are negative, too large or not unique. The message names the
                cause.
        """
        if features.ndim != 2 or features.shape[0] != coors.shape[0]:
            raise ValueError(
                f'features have shape {tuple(features.shape)}, coors '
                f'{tuple(coors.shape)}: expected (V, C) and (V, 4)'
            )
        most = coors.amax(0).tolist() if coors.numel() else [0, 0, 0, 0]
        if batch_size is None:
            batch_size = most[0] + 1
        shape = [-(-(max(extent, 0) + 1) // multiple) * multiple for extent in most[1:]]
        coors, keys, order = sort_voxels(coors, shape, batch_size)
        if order is not None:
            features = Reorder.apply(features, order, inverse_order(order))
        return cls(features, VoxelGrid(coors, keys, shape, batch_size, order))

    def replace(self, features: Tensor) -> 'SparseTensor':
        """Make a tensor of other features on the same voxels."""
        return SparseTensor(features, self.grid)

    def input_order(self) -> Tensor:
        """Return the features in the row order of the input of :meth:`from_voxels`."""
        order = self.grid.order
        if order is None:
            return self.features
        return Reorder.apply(self.features, inverse_order(order), order)


def inverse_order(order: Tensor) -> Tensor:
    """Invert a permutation."""
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(order.numel(), device=order.device)
    return inverse


class Reorder(torch.autograd.Function):
    """Permutation of rows, whose gradient is a permutation too, not a scatter-add."""

    @staticmethod
    def forward(ctx, features: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.inverse = inverse
        return features.index_select(0, order)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad.index_select(0, ctx.inverse), None, None
