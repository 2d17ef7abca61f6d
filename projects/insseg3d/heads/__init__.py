# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered parts of heads that several methods share."""

from .class_settings import OTHER_CLASSES, check_class_numbers, check_class_table
from .grouping_head import GroupingHead, GroupingInput
from .pointwise_head import (
    OffsetDirectionLoss,
    OffsetL1Loss,
    PackedPoints,
    PackedTargets,
    PointwiseHead,
)
from .proposal_net import ProposalNet, ProposalVoxels, best_object, object_iou
from .ranking import ProposalRanking, label_map

__all__ = [
    'GroupingHead',
    'GroupingInput',
    'OTHER_CLASSES',
    'OffsetDirectionLoss',
    'OffsetL1Loss',
    'PackedPoints',
    'PackedTargets',
    'PointwiseHead',
    'ProposalNet',
    'ProposalRanking',
    'ProposalVoxels',
    'best_object',
    'check_class_numbers',
    'check_class_table',
    'label_map',
    'object_iou',
]
