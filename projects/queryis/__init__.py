# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""3D-QueryIS: the parts that only this method needs. README.md maps the paper to the files."""

import insseg3d  # noqa: F401  (registers the kernel and repairs mmcv's import first)

from .activation_maps import LiteralMaps, SoftmaxMaps, SumNormalizedMaps
from .hungarian_assigner import HungarianAssigner
from .mask_losses import DenseMaskLoss, MaskBCELoss, MaskDiceLoss
from .match_costs import DenseMatchCost, MaskBCECost, MaskDiceCost, QueryClassCost
from .plus import (
    AttentionReading,
    BackboneFeatures,
    FourierPosition,
    MaskPilots,
    MaskQuality,
    MaskReadingDecoder,
    MaskRelation,
    MeanReading,
    PlacedFeatures,
    SelfAttentionLayer,
    VotedFeatures,
)
from .point_norm import PointInstanceNorm
from .postprocess import ArgmaxRanking, FlatTopKRanking, MatrixNMSRanking
from .query_decoder import FPSQueries, LearnedQueries, QueryDecoder, QueryDecoderLayer
from .queryis_head import QueryISHead
from .rpg_neck import RPGNeck
from .voxel_necks import AllVoxelsNeck, FPSNeck, RandomVoxelsNeck

__all__ = [
    'AllVoxelsNeck',
    'ArgmaxRanking',
    'AttentionReading',
    'BackboneFeatures',
    'DenseMaskLoss',
    'DenseMatchCost',
    'FPSNeck',
    'FPSQueries',
    'FlatTopKRanking',
    'FourierPosition',
    'HungarianAssigner',
    'LearnedQueries',
    'LiteralMaps',
    'MaskBCECost',
    'MaskBCELoss',
    'MaskDiceCost',
    'MaskDiceLoss',
    'MaskPilots',
    'MaskQuality',
    'MaskReadingDecoder',
    'MaskRelation',
    'MatrixNMSRanking',
    'MeanReading',
    'PlacedFeatures',
    'PointInstanceNorm',
    'QueryClassCost',
    'QueryDecoder',
    'QueryDecoderLayer',
    'QueryISHead',
    'RPGNeck',
    'RandomVoxelsNeck',
    'SelfAttentionLayer',
    'SoftmaxMaps',
    'SumNormalizedMaps',
    'VotedFeatures',
]
