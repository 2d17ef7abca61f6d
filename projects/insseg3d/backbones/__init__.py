# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered backbones."""

from .mink_unet import MultiLevelMinkUNet
from .sparse_res_unet import SparseResUNet

__all__ = ['MultiLevelMinkUNet', 'SparseResUNet']
