# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""ScanNet200: the scans of ScanNet v2 with 200 categories, 198 of them with instances."""

import csv
from pathlib import Path
from typing import NamedTuple

from mmdet3d.registry import DATASETS

from .base import InsSegDataset
from .palette import make_palette

_TABLE = Path(__file__).with_name('scannet200.tsv')
_WITHOUT_INSTANCES = ('wall', 'floor')


class Category(NamedTuple):
    """A category: column ``id`` of ScanNet's label table, name, 'head', 'common' or 'tail'."""

    id: int
    name: str
    frequency: str


def read_categories() -> tuple[Category, ...]:
    """Read the 200 categories in the benchmark's order, including wall and floor."""
    with _TABLE.open(newline='', encoding='utf-8') as file:
        rows = csv.DictReader(file, delimiter='\t')
        return tuple(Category(int(row['id']), row['name'], row['group']) for row in rows)


CATEGORIES = read_categories()
_STUFF = [category for category in CATEGORIES if category.name in _WITHOUT_INSTANCES]
_CLASSES = [category for category in CATEGORIES if category.name not in _WITHOUT_INSTANCES]


@DATASETS.register_module()
class ScanNet200InsSegDataset(InsSegDataset):
    """ScanNet200 for instance segmentation with 198 classes.

    The files are those of ``tools/prepare_scannet.py --label-set scannet200``. Stored semantic ids
    are those in the column ``id`` of ScanNet's label table; 0 marks points without annotation and
    points with an id that is not among the 200. See :class:`InsSegDataset` for the arguments.

    ``METAINFO['frequency']`` maps the name of each class to its group: 'head', 'common' or 'tail'
    (64, 68 and 66 classes). The benchmark has 66 head categories; two of them, wall and floor, are
    not instance classes.

    Source: ids, names and groups of the ScanNet200 benchmark. Deviation: the colours are our own.
    """

    METAINFO = {
        'classes': tuple(category.name for category in _CLASSES),
        'palette': make_palette(len(_CLASSES)),
        'seg_valid_class_ids': tuple(category.id for category in _CLASSES),
        'seg_all_class_ids': (0, *(category.id for category in CATEGORIES)),
        'stuff_classes': tuple(category.name for category in _STUFF),
        'seg_stuff_class_ids': tuple(category.id for category in _STUFF),
        'frequency': {category.name: category.frequency for category in _CLASSES},
    }
