# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .inference import class_names, load_model, pack_points, predict_points
from .pipelines import build_pipeline, loader_throughput, run_pipeline, write_scan
from .stages import STAGES, time_stages

__all__ = [
    'STAGES',
    'build_pipeline',
    'class_names',
    'load_model',
    'loader_throughput',
    'pack_points',
    'predict_points',
    'run_pipeline',
    'time_stages',
    'write_scan',
]
