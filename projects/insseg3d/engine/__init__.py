# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Extensions of mmengine's runner."""

from .consistency import ConsistencyHook
from .loops import DrawBasedTrainLoop
from .mmap_backend import MmapBackend
from .new_classes import NewClassesHook
from .parameter_groups import MergedGroupsConstructor
from .progress import current_iteration, iteration_generator
from .safetensors_files import load_from_safetensors, safetensors_bytes
from .sampler import DrawIndex, DrawSampler
from .saved_buffers import SyncSavedBuffersHook
from .weights_only_files import load_from_http, load_from_local

__all__ = [
    'ConsistencyHook',
    'DrawBasedTrainLoop',
    'DrawIndex',
    'DrawSampler',
    'MergedGroupsConstructor',
    'MmapBackend',
    'NewClassesHook',
    'SyncSavedBuffersHook',
    'current_iteration',
    'iteration_generator',
    'load_from_http',
    'load_from_local',
    'load_from_safetensors',
    'safetensors_bytes',
]
