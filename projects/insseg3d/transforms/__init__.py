# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Transforms, one registered class per idea."""

from .color import DropColor, NormalizeColor, RandomColorShift
from .color_jitter import (
    RandomChannelGain,
    RandomContrast,
    RandomGamma,
    RandomHue,
    RandomSaturation,
)
from .crop import CropToMaxPoints
from .geometry import CenterCoordinates, ElasticDistortion, RandomMatrix
from .instances import RelabelInstances, SelectInstances
from .loading import CheckAnnotations, IfAnnotated, LoadSuperpoints
from .seeding import draw_generator
from .stuff import LabelStuff
from .subsample import RandomSubsample
from .views import RandomDensity, RandomHoles, RandomPart, RandomWaves
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
    'RandomChannelGain',
    'RandomColorShift',
    'RandomContrast',
    'RandomDensity',
    'RandomGamma',
    'RandomHoles',
    'RandomHue',
    'RandomMatrix',
    'RandomPart',
    'RandomSaturation',
    'RandomSubsample',
    'RandomWaves',
    'RelabelInstances',
    'SelectInstances',
    'draw_generator',
]
