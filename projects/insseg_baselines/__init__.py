# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Baselines, one file each. They share backbone, data and metric with the other methods."""

import insseg3d  # noqa: F401  (registers the kernel and repairs mmcv's import first)

from .hais import HAISHead, HierarchicalGrouping
from .pointgroup import DualSpaceGrouping, PointGroupHead
from .softgroup import SoftGroupHead, SoftGrouping

__all__ = [
    'DualSpaceGrouping',
    'HAISHead',
    'HierarchicalGrouping',
    'PointGroupHead',
    'SoftGroupHead',
    'SoftGrouping',
]
