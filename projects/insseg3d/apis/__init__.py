# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Inference: load a model, run it on scans and use the objects found."""

from insseg_scans import Assumptions

from .inferencer import InstanceSeg3DInferencer
from .model import class_names, load_model, pack_points, predict_points
from .result import InstanceResult
from .tiling import Tiling

__all__ = [
    'Assumptions',
    'InstanceResult',
    'InstanceSeg3DInferencer',
    'Tiling',
    'class_names',
    'load_model',
    'pack_points',
    'predict_points',
]
