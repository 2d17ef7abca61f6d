# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered metrics: the glue between mmengine's evaluator and the mathematics."""

from .coverage_metric import CoverageInsSegMetric, coverage_report
from .insseg_metric import InsSegMetric, class_metrics, format_table, group_means
from .write_predictions import WritePredictions

__all__ = [
    'CoverageInsSegMetric',
    'InsSegMetric',
    'WritePredictions',
    'class_metrics',
    'coverage_report',
    'format_table',
    'group_means',
]
