# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered parts of heads that several methods share."""

from .class_settings import (
    OTHER_CLASSES,
    check_class_numbers,
    check_class_table,
    refuse_other_classes,
)
from .grouping_head import GroupingHead, GroupingInput
from .pointwise_branch import PointwiseBranch
from .pointwise_head import (
    OffsetDirectionLoss,
    OffsetL1Loss,
    PackedPoints,
    PackedTargets,
    PointwiseHead,
)
from .proposal_net import ProposalNet, ProposalVoxels, best_object, object_iou
from .ranking import ProposalMasks, ProposalRanking, Ranking, RowMasks
from .ranking_parts import (
    ArgmaxCandidates,
    Candidates,
    FlatTopKCandidates,
    JudgedCandidates,
    MaskNMS,
    MatrixNMS,
    ObjectCandidates,
)

__all__ = [
    'ArgmaxCandidates',
    'Candidates',
    'FlatTopKCandidates',
    'GroupingHead',
    'GroupingInput',
    'JudgedCandidates',
    'MaskNMS',
    'MatrixNMS',
    'OTHER_CLASSES',
    'ObjectCandidates',
    'OffsetDirectionLoss',
    'OffsetL1Loss',
    'PackedPoints',
    'PackedTargets',
    'PointwiseBranch',
    'PointwiseHead',
    'ProposalMasks',
    'ProposalNet',
    'ProposalRanking',
    'ProposalVoxels',
    'Ranking',
    'RowMasks',
    'best_object',
    'check_class_numbers',
    'check_class_table',
    'object_iou',
    'refuse_other_classes',
]
