# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolutions computed on dense grids, and random voxels to test them."""

import torch
import torch.nn.functional as F


def random_voxels(num=60, extent=(6, 5, 7), batch_size=2, seed=0, shuffle=True):
    """Make unique voxels (V, 4) of a few scenes, in random order."""
    generator = torch.Generator().manual_seed(seed)
    cells = batch_size * extent[0] * extent[1] * extent[2]
    cell = torch.randperm(cells, generator=generator)[:num]
    if not shuffle:
        cell = cell.sort().values
    rest, z = cell // extent[2], cell % extent[2]
    rest, y = rest // extent[1], rest % extent[1]
    return torch.stack([rest // extent[0], rest % extent[0], y, z], dim=1)


def _dense(features, coors, shape):
    grid = features.new_zeros(int(coors[:, 0].max()) + 1, *shape, features.shape[1])
    return grid.index_put(tuple(coors.long().t()), features).permute(0, 4, 1, 2, 3)


def _read(grid, coors):
    return grid.permute(0, 2, 3, 4, 1)[tuple(coors.long().t())]


def even_shape(coors):
    return [(int(extent) // 2 + 1) * 2 for extent in coors[:, 1:].amax(0)]


def dense_submanifold(features, coors, weight):
    grid = _dense(features, coors, even_shape(coors))
    return _read(F.conv3d(grid, weight.permute(0, 4, 1, 2, 3), padding=1), coors)


def dense_strided(features, coors, weight):
    """Return features of the sorted coarse voxels, and those voxels."""
    coarse = coors.clone()
    coarse[:, 1:] //= 2
    coarse = torch.unique(coarse, dim=0)
    grid = _dense(features, coors, even_shape(coors))
    return _read(F.conv3d(grid, weight.permute(0, 4, 1, 2, 3), stride=2), coarse), coarse


def dense_inverse(features, coarse, coors, weight):
    grid = _dense(features, coarse, [extent // 2 for extent in even_shape(coors)])
    return _read(F.conv_transpose3d(grid, weight.permute(4, 0, 1, 2, 3), stride=2), coors)
