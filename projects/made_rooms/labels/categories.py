# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw categories of made rooms, as rows of ScanNet's label table."""

from typing import NamedTuple


class Category(NamedTuple):
    """A raw category: its ScanNet id, its NYU40 id and the name of that NYU40 class."""

    scannet_id: int
    nyu40_id: int
    nyu40_name: str


CATEGORIES: dict[str, Category] = {
    'wall': Category(1, 1, 'wall'),
    'floor': Category(3, 2, 'floor'),
    'cabinet': Category(7, 3, 'cabinet'),
    'file cabinet': Category(75, 3, 'cabinet'),
    'kitchen cabinet': Category(29, 3, 'cabinet'),
    'bathroom vanity': Category(1164, 3, 'cabinet'),
    'bed': Category(11, 4, 'bed'),
    'chair': Category(2, 5, 'chair'),
    'office chair': Category(10, 5, 'chair'),
    'armchair': Category(23, 5, 'chair'),
    'couch': Category(6, 6, 'sofa'),
    'sofa': Category(6, 6, 'sofa'),
    'table': Category(4, 7, 'table'),
    'dining table': Category(45, 7, 'table'),
    'coffee table': Category(24, 7, 'table'),
    'end table': Category(44, 7, 'table'),
    'door': Category(5, 8, 'door'),
    'window': Category(16, 9, 'window'),
    'bookshelf': Category(18, 10, 'bookshelf'),
    'bookcase': Category(18, 10, 'bookshelf'),
    'picture': Category(15, 11, 'picture'),
    'painting': Category(15, 11, 'picture'),
    'poster': Category(1188, 11, 'picture'),
    'counter': Category(35, 12, 'counter'),
    'kitchen counter': Category(159, 12, 'counter'),
    'desk': Category(9, 14, 'desk'),
    'curtain': Category(21, 16, 'curtain'),
    'curtains': Category(21, 16, 'curtain'),
    'pillow': Category(13, 18, 'pillow'),
    'mirror': Category(71, 19, 'mirror'),
    'rug': Category(140, 20, 'floor mat'),
    'clothes': Category(32, 21, 'clothes'),
    'ceiling': Category(41, 22, 'ceiling'),
    'books': Category(22, 23, 'books'),
    'refrigerator': Category(27, 24, 'refridgerator'),
    'fridge': Category(27, 24, 'refridgerator'),
    'mini fridge': Category(165, 24, 'refridgerator'),
    'towel': Category(31, 27, 'towel'),
    'shower curtain': Category(55, 28, 'shower curtain'),
    'box': Category(26, 29, 'box'),
    'toilet': Category(17, 33, 'toilet'),
    'sink': Category(14, 34, 'sink'),
    'lamp': Category(28, 35, 'lamp'),
    'light': Category(105, 38, 'otherstructure'),
    'bathtub': Category(42, 36, 'bathtub'),
    'bag': Category(47, 37, 'bag'),
    'trash can': Category(56, 39, 'otherfurniture'),
    'radiator': Category(96, 39, 'otherfurniture'),
    'ottoman': Category(67, 39, 'otherfurniture'),
    'bench': Category(68, 39, 'otherfurniture'),
    'monitor': Category(19, 40, 'otherprop'),
    'laptop': Category(77, 40, 'otherprop'),
    'backpack': Category(48, 40, 'otherprop'),
    'bottle': Category(65, 40, 'otherprop'),
    'bowl': Category(562, 40, 'otherprop'),
    'plant': Category(40, 40, 'otherprop'),
    'microwave': Category(59, 40, 'otherprop'),
}

# NYU40 ids of the 18 classes of instances in ScanNet's benchmark.
INSTANCE_NYU40 = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)

# Class of each raw category in S3DIS; categories that are not listed are clutter.
S3DIS_CLASSES = {
    **{
        name: name
        for name in (
            'ceiling',
            'floor',
            'wall',
            'beam',
            'column',
            'window',
            'door',
            'table',
            'chair',
            'sofa',
            'bookcase',
            'board',
        )
    },
    **dict.fromkeys(('desk', 'dining table', 'coffee table', 'end table'), 'table'),
    **dict.fromkeys(('office chair', 'armchair'), 'chair'),
    'couch': 'sofa',
    'bookshelf': 'bookcase',
}
