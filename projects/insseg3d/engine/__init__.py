# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Additions to mmengine's runner."""

from .loops import DrawBasedTrainLoop
from .progress import current_iteration
from .safetensors_files import load_from_safetensors, safetensors_bytes
from .sampler import DrawIndex, DrawSampler
from .weights_only_files import load_from_http, load_from_local

__all__ = [
    'DrawBasedTrainLoop', 'DrawIndex', 'DrawSampler', 'current_iteration', 'load_from_http',
    'load_from_local', 'load_from_safetensors', 'safetensors_bytes',
]
