# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Metric mathematics: numpy and torch only."""
from .instance_ap import (
    AP_THRESHOLDS,
    InstanceAP,
    average_precision,
    instance_ap,
    precision_recall_curve,
)
from .tables import SceneTable, scene_table

__all__ = [
    'AP_THRESHOLDS',
    'InstanceAP',
    'SceneTable',
    'average_precision',
    'instance_ap',
    'precision_recall_curve',
    'scene_table',
]
