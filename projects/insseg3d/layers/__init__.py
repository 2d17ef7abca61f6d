# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Neural network layers without a registry; the only package that builds on spconv."""

from .backends import best_backend, choose_backend, spconv_available
from .checkpoint import load_backbone
from .norm import BatchNorm, norm_relu
from .residual import ResidualBlock
from .sparse_conv import SparseConv3d, SparseInverseConv3d, SubMConv3d, spconv_tensor
from .sparse_tensor import SparseTensor, VoxelGrid

__all__ = [
    'BatchNorm',
    'ResidualBlock',
    'SparseConv3d',
    'SparseInverseConv3d',
    'SparseTensor',
    'SubMConv3d',
    'VoxelGrid',
    'best_backend',
    'choose_backend',
    'load_backbone',
    'norm_relu',
    'spconv_available',
    'spconv_tensor',
]
