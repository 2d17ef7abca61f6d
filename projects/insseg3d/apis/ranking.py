# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Changes of a model's ranking for scans of unknown size and content."""

import copy

from mmengine.config import Config
from torch import nn

from ..heads import MatrixNMS, ObjectCandidates

OBJECT = 'object'
"""Name of the only class of a model that disregards classes."""
_COLOR = [0, 130, 200]


def keep_small(config: Config) -> Config:
    """Return a copy of a config whose ranking drops no small objects: the inferencer does."""
    config = copy.deepcopy(config)
    ranking = config.model.get('decode_head', {}).get('ranking')
    if ranking is not None and 'min_points' in ranking:
        ranking.min_points = 1
    return config


def forget_classes(model: nn.Module) -> None:
    """Let a model find objects of any class, as one class, ``OBJECT``.

    Also those are found that look like an object, but like none of the classes in particular.

    Args:
        model: The model; its ranking and ``dataset_meta`` are changed.

    Raises:
        ValueError: The model has no ranking of candidates.
    """
    ranking = getattr(getattr(model, 'decode_head', None), 'ranking', None)
    if not hasattr(ranking, 'candidates'):
        raise ValueError(
            f'class_agnostic: {type(model).__name__} has no decode_head.ranking of candidates; '
            'expected a model of this project.'
        )
    ranking.candidates = ObjectCandidates(ranking.candidates)
    ranking.suppression = ranking.suppression or MatrixNMS()
    model.dataset_meta = dict(model.dataset_meta, classes=(OBJECT,), palette=[_COLOR])
