# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered data preprocessors."""
from .voxel_table import VoxelTablePreprocessor

__all__ = ['VoxelTablePreprocessor']
