# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Findings, and the expectations of a config that they come from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmdet3d.registry import MODELS
from mmengine.config import Config, ConfigDict
from torch.utils.data import Dataset

from insseg3d.apis.config_text import values_of

from .facts import SceneFacts


class Finding(NamedTuple):
    """A fault of the data, or a suspicion.

    Attributes:
        level: 'error' (spoils a training), 'warning' (harms it or is suspicious), 'note'.
        split: Split in which it was found.
        what: What was found, and what was expected.
        remedy: What to do.
    """

    level: str
    split: str
    what: str
    remedy: str


class Expectations(NamedTuple):
    """Expectations that a config has of its data.

    Attributes:
        classes: Names of the K classes.
        class_ids: Stored semantic ids that may occur; None if any may.
        model_classes: K of the model; None if it is not known.
        num_queries: Objects that the model can find in a scene, at most; None if not limited.
        voxel_size: Edge of a voxel in metres; None if not known.
        is_training: Whether the split is trained on.
        drops_color: Whether the pipeline has ``DropColor`` in it.
    """

    classes: Sequence[str]
    class_ids: frozenset[int] | None = None
    model_classes: int | None = None
    num_queries: int | None = None
    voxel_size: float | None = None
    is_training: bool = True
    drops_color: bool = False


Problem = tuple[str, str, str]
"""Level, what, remedy."""


def median(values: Sequence[float]) -> float:
    """Return the median of the finite values; NaN if there are none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else np.nan


def names(scenes: Sequence[SceneFacts]) -> str:
    """Return the names of the first scenes, and the number of the others."""
    text = ', '.join(scene.scene for scene in scenes[:3])
    return text + (f' and {len(scenes) - 3} more' if len(scenes) > 3 else '')


def data_configs(config: Config, splits: Sequence[str]) -> dict[str, ConfigDict]:
    """Return the config of each split's dataset, without a test split that is the val split."""
    found = {}
    for split in splits:
        loader = config.get(f'{split}_dataloader')
        if loader is not None and loader['dataset'] not in found.values():
            found[split] = loader['dataset']
    return found


def expectations(config: Config, data: ConfigDict, dataset: Dataset, split: str) -> Expectations:
    """Return the expectations that a config's model and pipeline have of a split."""
    while hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    ids = dataset.metainfo.get('seg_all_class_ids')
    queries = list(values_of(config.get('model'), 'num_queries'))
    classes = list(values_of(config.get('model'), 'num_classes'))
    voxels = list(values_of(data, 'voxel_size'))
    return Expectations(
        classes=dataset.metainfo['classes'],
        class_ids=None if ids is None else frozenset(ids),
        model_classes=classes[0] if classes else None,
        num_queries=max(queries) if queries else None,
        voxel_size=voxels[-1] if voxels else None,
        is_training=split == 'train',
        drops_color='DropColor' in values_of(data, 'type'),
    )


def model_findings(config: Config) -> list[Finding]:
    """Return a finding if the model cannot be built."""
    try:
        if config.get('model') is not None:
            MODELS.build(config.model)
    except Exception as error:  # whatever a part of anybody's raises
        reason = ' '.join(str(error).split()) or type(error).__name__
        return [
            Finding(
                'error',
                'model',
                f'it cannot be built: {reason}',
                'The "tables" of class_statistics.json have an entry for each class of these data',
            )
        ]
    return []
