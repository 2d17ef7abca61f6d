# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolution by gathering: the inputs of all kernel offsets in one product.

A convolution over a pair table takes three operations per offset, which a GPU performs faster than
Python can request them. A gather table has one row per output voxel instead, with an input row for
every offset, or none. Then a convolution is a selection of rows and one product, whatever the
number of offsets. The host waits for the device only to learn the number of coarser voxels.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .pair_table import Coarsened
from .voxel_keys import halved, key_strides, voxel_keys

MOST_NUMBERS = 2**26
"""Numbers that are gathered at a time: 256 MB in float32."""


def gathers(tensor: Tensor) -> bool:
    """Tell whether tables for the device of a tensor are gather tables.

    On a CPU, pair tables take less arithmetic, and launches cost nothing.
    """
    return tensor.device.type != 'cpu'


class GatherTable(ABC):
    """Input rows of the output rows of a sparse convolution.

    Attributes:
        num_in: Number of input rows.
        num_out: Number of output rows.
        num_pairs: Number of pairs of an input and an output row. The host waits for it.
    """

    num_in: int
    num_out: int
    num_pairs: int

    @abstractmethod
    def convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        """Convolve features ``(num_in, C)`` with a weight ``(K, C, O)``: ``(num_out, O)``."""

    @abstractmethod
    def weight_gradient(self, features: Tensor, grad: Tensor) -> Tensor:
        """Compute the gradient ``(K, C, O)`` for features and a gradient ``(num_out, O)``."""

    @abstractmethod
    def transposed(self) -> GatherTable:
        """Return the table with input and output exchanged."""


@dataclass(eq=False)
class Neighbours(GatherTable):
    """Table of a 3x3x3 convolution whose output voxels are its input voxels.

    Attributes:
        rows: ``(V, 27)`` int32 row of voxel p + d, or V if it is not occupied.
    """

    rows: Tensor

    @property
    def num_in(self) -> int:
        """V."""
        return len(self.rows)

    num_out = num_in

    @property
    def num_pairs(self) -> int:
        """Number of pairs of neighbours, each voxel with itself included."""
        return int((self.rows < self.num_in).sum())

    def convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        """See :class:`GatherTable`."""
        return _collect(features, self.rows, weight)

    def weight_gradient(self, features: Tensor, grad: Tensor) -> Tensor:
        """See :class:`GatherTable`."""
        return _correlate(features, self.rows, grad)

    def transposed(self) -> Neighbours:
        """Return the table of the mirrored offsets: q = p + d is p = q - d."""
        return self._mirrored

    @functools.cached_property
    def _mirrored(self) -> Neighbours:
        return Neighbours(self.rows.flip(1))


@dataclass(eq=False)
class Children(GatherTable):
    """Table of a convolution with kernel 2 and stride 2.

    Attributes:
        rows: ``(V', 8)`` int32 row of the child at each corner of a voxel, or V if there is none.
        num_in: V.
    """

    rows: Tensor
    num_in: int

    @property
    def num_out(self) -> int:
        """V'."""
        return len(self.rows)

    @property
    def num_pairs(self) -> int:
        """V."""
        return self.num_in

    def convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        """See :class:`GatherTable`."""
        return _collect(features, self.rows, weight)

    def weight_gradient(self, features: Tensor, grad: Tensor) -> Tensor:
        """See :class:`GatherTable`."""
        return _correlate(features, self.rows, grad)

    def transposed(self) -> Parents:
        """Return the table from parents to children."""
        return Parents(self)


@dataclass(eq=False)
class Parents(GatherTable):
    """Table of the inverse of a stride: each voxel reads its parent.

    Attributes:
        children: Table of the stride.
    """

    children: Children

    @property
    def num_in(self) -> int:
        """V'."""
        return self.children.num_out

    @property
    def num_out(self) -> int:
        """V."""
        return self.children.num_in

    @property
    def num_pairs(self) -> int:
        """V."""
        return self.num_out

    def convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        """Multiply each parent once per corner; each child takes the product of its own."""
        offsets, channels, width = weight.shape
        flat = weight.transpose(0, 1).reshape(channels, offsets * width)
        # Products for corners without a child go to the last row, which is left out.
        out = features.new_empty(self.num_out + 1, width)
        chunk = max(MOST_NUMBERS // (offsets * width), 1)
        for some, rows in zip(features.split(chunk), self.children.rows.split(chunk)):
            out.index_copy_(0, rows.flatten().long(), (some @ flat).view(-1, width))
        return out[:-1]

    def weight_gradient(self, features: Tensor, grad: Tensor) -> Tensor:
        """See :class:`GatherTable`."""
        # The same sum with the roles of input and output exchanged.
        return _correlate(grad, self.children.rows, features).transpose(1, 2)

    def transposed(self) -> Children:
        """Return the table of the stride."""
        return self.children


def submanifold_rows(keys: Tensor, spatial_shape: Sequence[int]) -> Neighbours:
    """Find the neighbours of voxels, all on the device.

    Args:
        keys: ``(V,)`` int64, strictly ascending, from :func:`voxel_keys` of the same grid.
        spatial_shape: Exclusive upper bounds of x, y and z.
    """
    number, (_, stride_x, stride_y) = len(keys), key_strides(spatial_shape)
    steps = torch.arange(-1, 2, device=keys.device)
    # The three neighbours in one (dx, dy) column have consecutive keys: one search finds them.
    columns = (steps[:, None] * stride_x + steps * stride_y - 1).flatten()
    target = keys[:, None] + columns
    there = torch.searchsorted(keys, target)
    ended = torch.cat([keys, keys.new_full((1,), torch.iinfo(keys.dtype).max)])
    rows = []
    for _ in range(3):
        hit = ended.take(there) == target
        rows.append(torch.where(hit, there, number).int())
        target, there = target + 1, there + hit
    return Neighbours(torch.stack(rows, -1).view(number, 27))


def strided_rows(coors: Tensor, spatial_shape: Sequence[int]) -> Coarsened:
    """Find the parents of voxels; the host waits once, for their number.

    Args:
        coors: ``(V, 4)`` int32 sorted by (batch, x, y, z).
        spatial_shape: Exclusive upper bounds of x, y and z.

    Raises:
        ValueError: If a bound is odd.
    """
    number, shape = len(coors), halved(spatial_shape)
    above = torch.cat([coors[:, :1], coors[:, 1:] >> 1], 1)
    keys, order = torch.sort(voxel_keys(above, shape), stable=True)
    starts = torch.ones_like(keys)
    starts[1:] = keys[1:] != keys[:-1]
    parent = starts.cumsum(0) - 1
    num_parents = int(parent[-1]) + 1 if number else 0
    # All children of a parent write the same values.
    parent_keys = keys.new_empty(num_parents).index_put_((parent,), keys)
    parents = coors.new_empty(num_parents, 4).index_put_((parent,), above.index_select(0, order))
    low = coors[:, 1:] & 1
    corner = (low[:, 0] << 2) | (low[:, 1] << 1) | low[:, 2]
    place = torch.empty_like(parent).index_put_((order,), 8 * parent) + corner
    rows = coors.new_full((8 * num_parents,), number)
    rows.index_put_((place,), torch.arange(number, dtype=rows.dtype, device=rows.device))
    return Coarsened(parents, parent_keys, Children(rows.view(-1, 8), number))


def _collect(features: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Gather rows ``(V, K)`` of features ``(., C)``; multiply them with a weight ``(K, C, O)``."""
    flat = weight.reshape(-1, weight.shape[2])
    parts = [part @ flat for part, _ in _gathered(features, rows)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _correlate(features: Tensor, rows: Tensor, grad: Tensor) -> Tensor:
    """Sum features of rows ``(V, K)`` (outer) grad ``(V, O)`` over V, as ``(K, C, O)``."""
    wide = torch.promote_types(grad.dtype, torch.float32)  # half precision would round the sum
    total = sum((part.t() @ grad[some]).to(wide) for part, some in _gathered(features, rows))
    return total.view(rows.shape[1], features.shape[1], grad.shape[1]).to(grad.dtype)


def _gathered(features: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, slice]]:
    """Gather some rows after others as ``(V, K * C)``; a row that does not exist is 0."""
    offsets, channels = rows.shape[1], features.shape[1]
    padded = torch.cat([features, features.new_zeros(1, channels)])
    chunk = max(MOST_NUMBERS // (offsets * channels), 1)
    for start in range(0, max(len(rows), 1), chunk):
        some = slice(start, min(start + chunk, len(rows)))
        part = padded.index_select(0, rows[some].flatten())
        yield part.view(some.stop - start, offsets * channels), some
