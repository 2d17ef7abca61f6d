# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .inference import load_model, pack_points, predict_points
from .stages import STAGES, time_stages

__all__ = ['STAGES', 'load_model', 'pack_points', 'predict_points', 'time_stages']
