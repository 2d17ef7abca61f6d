# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""3D-QueryIS+: this project's additions to 3D-QueryIS. No part of this folder is the paper's."""

from .mask_pilots import MaskPilots
from .mask_quality import MaskQuality
from .mask_reading import MaskReadingDecoder, MaskRelation
from .position import FourierPosition
from .readings import AttentionReading, MeanReading
from .row_features import BackboneFeatures, PlacedFeatures, VotedFeatures
from .self_attention import SelfAttentionLayer

__all__ = [
    'AttentionReading',
    'BackboneFeatures',
    'FourierPosition',
    'MaskPilots',
    'MaskQuality',
    'MaskReadingDecoder',
    'MaskRelation',
    'MeanReading',
    'PlacedFeatures',
    'SelfAttentionLayer',
    'VotedFeatures',
]
