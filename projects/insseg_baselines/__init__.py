# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Methods to compare with, one file each, on the backbone, data and metric of all others."""

import insseg3d  # noqa: F401  (registers the kernel and cures mmcv's import first)

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
