# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Registered metrics: the glue between mmengine's evaluator and the mathematics."""
from .insseg_metric import InsSegMetric, class_metrics

__all__ = ['InsSegMetric', 'class_metrics']
