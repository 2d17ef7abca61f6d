# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predictions and ground truth in files for other programs."""

from .files import ExchangeError, LabelSet, Source, open_source
from .predictions import (
    Predictions,
    check_predictions,
    read_predictions,
    scene_names,
    write_predictions,
)
from .truth import Truth, read_truth, truth_ids, write_truth

__all__ = [
    'ExchangeError',
    'LabelSet',
    'Predictions',
    'Source',
    'Truth',
    'check_predictions',
    'open_source',
    'read_predictions',
    'read_truth',
    'scene_names',
    'truth_ids',
    'write_predictions',
    'write_truth',
]
