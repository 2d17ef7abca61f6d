# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .inference import class_names, load_model, pack_points, predict_points
from .inferencer import InstanceSeg3DInferencer
from .inferencer_result import InstanceResult
from .inferencer_tiles import Tiling
from .operations import count_operations
from .pipelines import build_pipeline, loader_throughput, run_pipeline, write_scan
from .speed import find_scans, fitted_exponent, measure, scene_of_rooms
from .stages import STAGES, SUMS, StageTimer

__all__ = [
    'InstanceResult',
    'InstanceSeg3DInferencer',
    'STAGES',
    'SUMS',
    'StageTimer',
    'Tiling',
    'build_pipeline',
    'class_names',
    'count_operations',
    'find_scans',
    'fitted_exponent',
    'load_model',
    'loader_throughput',
    'measure',
    'pack_points',
    'predict_points',
    'run_pipeline',
    'scene_of_rooms',
    'write_scan',
]
