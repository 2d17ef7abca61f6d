# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The ids of a dataset's classes in files."""

from pathlib import Path

from insseg3d.datasets import (
    S3DISInstanceSegDataset,
    ScanNet200InsSegDataset,
    ScanNetInsSegDataset,
)
from insseg3d.evaluation.exchange import LabelSet

_DATASETS = {
    'scannet': ScanNetInsSegDataset,
    'scannet200': ScanNet200InsSegDataset,
    's3dis': S3DISInstanceSegDataset,
}


def label_set(name: str) -> LabelSet:
    """Return the label set of a name.

    Args:
        name: 'scannet', 'scannet200', 's3dis', or the path of a file with lines ``id name``.

    Raises:
        FileNotFoundError: If it is neither.
    """
    if name in _DATASETS:
        return label_set_of(_DATASETS[name].METAINFO)
    if not Path(name).is_file():
        raise FileNotFoundError(
            f'{name!r}: no label set and no file; expected one of {", ".join(_DATASETS)}, or a '
            'file with lines of an id and a name'
        )
    return LabelSet.read(Path(name))


def class_groups(name: str) -> dict[str, str] | None:
    """Return the group of each class (head, common or tail); None if the set has no groups."""
    return _DATASETS[name].METAINFO.get('frequency') if name in _DATASETS else None


def label_set_of(metainfo: dict) -> LabelSet:
    """Return the label set of a dataset.

    Args:
        metainfo: Dict with ``classes`` and their stored ids, ``seg_valid_class_ids``.

    Returns:
        These ids; plus one if they begin with 0, because 0 means "no object" in files, and the
        ceilings of S3DIS would be lost.
    """
    ids = [int(class_id) for class_id in metainfo['seg_valid_class_ids']]
    first = 1 if 0 in ids else 0
    return LabelSet(tuple(metainfo['classes']), tuple(class_id + first for class_id in ids))
