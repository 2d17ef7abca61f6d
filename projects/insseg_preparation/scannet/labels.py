# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The two label sets of ScanNet v2: which ids are stored, which of them are classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmdet3d.datasets import ScanNetInstanceSegDataset

from insseg3d.datasets.scannet import ScanNetInsSegDataset
from insseg3d.datasets.scannet200 import CATEGORIES, ScanNet200InsSegDataset
from insseg3d.scans.errors import RawDataError

from .raw import read_label_map


class LabelSet(NamedTuple):
    """Which semantic ids are stored, and which of them are classes.

    Attributes:
        name: it begins the names of the info files.
        column: of the label table, that holds the ids.
        class_names: of the header of the info files.
        class_of_id: stored semantic id → class index, of the instance classes.
    """

    name: str
    column: str
    class_names: tuple[str, ...]
    class_of_id: Mapping[int, int]


def _class_of_id(dataset: type) -> dict[int, int]:
    return {stored: k for k, stored in enumerate(dataset.METAINFO['seg_valid_class_ids'])}


# The header of 'scannet' carries mmdetection3d's spelling of the names, as its converter writes it.
LABEL_SETS = {
    label_set.name: label_set
    for label_set in (
        LabelSet(
            'scannet',
            'nyu40id',
            ScanNetInstanceSegDataset.METAINFO['classes'],
            _class_of_id(ScanNetInsSegDataset),
        ),
        LabelSet(
            'scannet200',
            'id',
            ScanNet200InsSegDataset.METAINFO['classes'],
            _class_of_id(ScanNet200InsSegDataset),
        ),
    )
}


def read_stored_ids(path: Path, label_set: LabelSet) -> dict[str, int]:
    """Read which semantic id is stored for which raw label.

    Of ScanNet200, ids that are not among the 200 become 0, unannotated.

    Source: the ScanNet200 benchmark's preprocessing, which maps a raw category to the column ``id``
    and clears every id that is not among its 200.

    Args:
        path: ``scannetv2-labels.combined.tsv``.
        label_set: whose ids.

    Raises:
        RawDataError: of ``read_label_map``, or a table from before ScanNet200.
    """
    label_map = read_label_map(path, column=label_set.column)
    if label_set.name != 'scannet200':
        return label_map
    ids = set(label_map.values())
    # Not all 200 need occur, as a table may be cut to the labels in use. But where a label has a
    # category's very name, the category's id must.
    lacking = [c for c in CATEGORIES if c.id not in ids and c.name in label_map]
    known = {category.id for category in CATEGORIES}
    if lacking or not known & ids:
        named = [f'{category.name} ({category.id})' for category in lacking[:3]]
        raise RawDataError(
            path,
            f'column id holds {len(known & ids)} of the 200 ids of ScanNet200'
            + (f', and not those of {named}' if named else ''),
            'the label table as it is since ScanNet200',
            'It is of an older release: download scannetv2-labels.combined.tsv again',
        )
    return {label: stored if stored in known else 0 for label, stored in label_map.items()}
