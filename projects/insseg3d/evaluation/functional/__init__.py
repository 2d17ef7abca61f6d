# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Metric mathematics: numpy and torch only."""
from .coverage import Coverage, coverage, coverage_curve
from .instance_ap import (
    AP_THRESHOLDS,
    InstanceAP,
    average_precision,
    instance_ap,
    precision_recall_curve,
)
from .painting import Painting, paint_masks
from .tables import SceneTable, painted_table, scene_table

__all__ = [
    'AP_THRESHOLDS',
    'Coverage',
    'InstanceAP',
    'Painting',
    'SceneTable',
    'average_precision',
    'coverage',
    'coverage_curve',
    'instance_ap',
    'paint_masks',
    'painted_table',
    'precision_recall_curve',
    'scene_table',
]
