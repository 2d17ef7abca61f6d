# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Evaluation of instance masks."""

from .metrics import CoverageInsSegMetric, InsSegMetric, WritePredictions, class_metrics

__all__ = ['CoverageInsSegMetric', 'InsSegMetric', 'WritePredictions', 'class_metrics']
