# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The mathematics of the metrics, on numpy arrays."""

from .coverage import Coverage, coverage, coverage_curve
from .instance_ap import (
    AP_THRESHOLDS,
    COLUMNS,
    InstanceAP,
    average_precision,
    class_agnostic_ap,
    instance_ap,
    mean_of_scored,
    precision_recall_curve,
)
from .results import RunResults, SceneResult, load_results, merge_results, save_results
from .tables import SceneTable, paint_masks, painted_table, scene_table

__all__ = [
    'AP_THRESHOLDS',
    'COLUMNS',
    'Coverage',
    'InstanceAP',
    'RunResults',
    'SceneResult',
    'SceneTable',
    'average_precision',
    'class_agnostic_ap',
    'coverage',
    'coverage_curve',
    'instance_ap',
    'load_results',
    'mean_of_scored',
    'merge_results',
    'paint_masks',
    'painted_table',
    'precision_recall_curve',
    'save_results',
    'scene_table',
]
