# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""3D-QueryIS: the parts that only this method needs. README.md maps the paper to the files."""
import insseg3d  # noqa: F401  (registers the kernel and cures mmcv's import first)

from .hungarian_assigner import HungarianAssigner
from .mask_losses import MaskBCELoss, MaskDiceLoss
from .match_costs import DenseMatchCost, MaskBCECost, MaskDiceCost, QueryClassCost
from .postprocess import ArgmaxRanking
from .query_decoder import LearnedQueries, QueryDecoder, QueryDecoderLayer
from .queryis_head import QueryISHead
from .rpg_neck import RPGNeck, SumNormalizedMaps

__all__ = [
    'ArgmaxRanking', 'DenseMatchCost', 'HungarianAssigner', 'LearnedQueries', 'MaskBCECost',
    'MaskBCELoss', 'MaskDiceCost', 'MaskDiceLoss', 'QueryClassCost', 'QueryDecoder',
    'QueryDecoderLayer', 'QueryISHead', 'RPGNeck', 'SumNormalizedMaps'
]
