# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Transforms, one registered class per idea."""

from .color import DropColor, NormalizeColor, RandomColorShift
from .crop import CropToMaxPoints
from .geometry import CenterCoordinates, ElasticDistortion, RandomMatrix
from .instances import RelabelInstances, SelectInstances
from .loading import CheckAnnotations, IfAnnotated, LoadSuperpoints
from .seeding import draw_generator
from .stuff import LabelStuff
from .subsample import RandomSubsample
from .voxels import AddVoxelTables

__all__ = [
    'AddVoxelTables',
    'CenterCoordinates',
    'CheckAnnotations',
    'CropToMaxPoints',
    'DropColor',
    'ElasticDistortion',
    'IfAnnotated',
    'LabelStuff',
    'LoadSuperpoints',
    'NormalizeColor',
    'RandomColorShift',
    'RandomMatrix',
    'RandomSubsample',
    'RelabelInstances',
    'SelectInstances',
    'draw_generator',
]
