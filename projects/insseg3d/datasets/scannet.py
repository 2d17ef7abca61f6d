# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""ScanNet v2."""

from mmdet3d.registry import DATASETS

from .base import InsSegDataset

_CLASSES = (  # name, nyu40 id, colour
    ('cabinet', 3, (31, 119, 180)),
    ('bed', 4, (255, 187, 120)),
    ('chair', 5, (188, 189, 34)),
    ('sofa', 6, (140, 86, 75)),
    ('table', 7, (255, 152, 150)),
    ('door', 8, (214, 39, 40)),
    ('window', 9, (197, 176, 213)),
    ('bookshelf', 10, (148, 103, 189)),
    ('picture', 11, (196, 156, 148)),
    ('counter', 12, (23, 190, 207)),
    ('desk', 14, (247, 182, 210)),
    ('curtain', 16, (219, 219, 141)),
    ('refrigerator', 24, (255, 127, 14)),
    ('shower curtain', 28, (158, 218, 229)),
    ('toilet', 33, (44, 160, 44)),
    ('sink', 34, (112, 128, 144)),
    ('bathtub', 36, (227, 119, 194)),
    ('other furniture', 39, (82, 84, 163)),
)


@DATASETS.register_module()
class ScanNetInsSegDataset(InsSegDataset):
    """ScanNet v2 for instance segmentation with 18 classes.

    The files are those of ``tools/prepare_scannet.py`` or of mmdetection3d's own converter. See
    :class:`InsSegDataset` for the arguments.

    Source: names, ids and colours of the ScanNet benchmark; ``seg_valid_class_ids`` are nyu40
    ids, which submission files also use. (mmdetection3d spells two of the names differently:
    "showercurtrain" and, for other furniture, "garbagebin".)
    """

    METAINFO = {
        'classes': tuple(name for name, _, _ in _CLASSES),
        'palette': [list(color) for _, _, color in _CLASSES],
        'seg_valid_class_ids': tuple(nyu40_id for _, nyu40_id, _ in _CLASSES),
        'seg_all_class_ids': tuple(range(41)),
        'stuff_classes': ('wall', 'floor'),
        'seg_stuff_class_ids': (1, 2),
    }
