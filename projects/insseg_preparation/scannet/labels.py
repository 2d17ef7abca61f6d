# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The two label sets of ScanNet v2: stored ids, and those of them that are classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmdet3d.datasets import ScanNetInstanceSegDataset

from insseg3d.datasets.scannet import ScanNetInsSegDataset
from insseg3d.datasets.scannet200 import CATEGORIES, ScanNet200InsSegDataset
from insseg_scans.errors import RawDataError

from .raw import read_label_map


class LabelSet(NamedTuple):
    """Stored semantic ids, and those of them that are classes.

    Attributes:
        name: Name of the label set, and prefix of the info files.
        column: Column of the ids in the label table.
        class_names: Names in the header of the info files.
        class_of_id: Class index of each stored semantic id that is an instance class.
    """

    name: str
    column: str
    class_names: tuple[str, ...]
    class_of_id: Mapping[int, int]


def _class_of_id(dataset: type) -> dict[int, int]:
    return {stored: k for k, stored in enumerate(dataset.METAINFO['seg_valid_class_ids'])}


# The header of 'scannet' has the names as spelled by mmdetection3d's converter.
LABEL_SETS = {
    label_set.name: label_set
    for label_set in (
        LabelSet(
            name='scannet',
            column='nyu40id',
            class_names=ScanNetInstanceSegDataset.METAINFO['classes'],
            class_of_id=_class_of_id(ScanNetInsSegDataset),
        ),
        LabelSet(
            name='scannet200',
            column='id',
            class_names=ScanNet200InsSegDataset.METAINFO['classes'],
            class_of_id=_class_of_id(ScanNet200InsSegDataset),
        ),
    )
}


def read_stored_ids(path: Path, label_set: LabelSet) -> dict[str, int]:
    """Read the stored semantic id of each raw label.

    In ScanNet200, ids that are not among the 200 become 0, unannotated.

    Source: the ScanNet200 benchmark's preprocessing, which maps a raw category to the column ``id``
    and clears every id that is not among its 200.

    Args:
        path: Path of ``scannetv2-labels.combined.tsv``.
        label_set: The label set.

    Raises:
        RawDataError: See ``read_label_map``; also if the table is older than ScanNet200.
    """
    label_map = read_label_map(path, column=label_set.column)
    if label_set.name != 'scannet200':
        return label_map
    ids = set(label_map.values())
    # Not all 200 ids must occur, because a table may be reduced to the labels in use. But if a
    # label has the exact name of a category, the id of the category must occur.
    lacking = [c for c in CATEGORIES if c.id not in ids and c.name in label_map]
    known = {category.id for category in CATEGORIES}
    if lacking or not known & ids:
        named = [f'{category.name} ({category.id})' for category in lacking[:3]]
        raise RawDataError(
            path,
            f'column id holds {len(known & ids)} of the 200 ids of ScanNet200'
            + (f', and not those of {named}' if named else ''),
            'the label table since ScanNet200',
            'It is from an older release: download scannetv2-labels.combined.tsv again',
        )
    return {label: stored if stored in known else 0 for label, stored in label_map.items()}
