# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .instance_segmentor import InstanceSegmentor3D
from .strategies import SharedQueries, VoxelFull

__all__ = ['InstanceSegmentor3D', 'SharedQueries', 'VoxelFull']
