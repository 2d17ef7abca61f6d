# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Own scans, whose classes stand in the config."""

from collections.abc import Sequence

from mmdet3d.registry import DATASETS

from .base import InsSegDataset
from .palette import make_palette


@DATASETS.register_module()
class CustomInsSegDataset(InsSegDataset):
    """Own scans, instance segmentation with classes of one's own.

    Reads what ``tools/prepare_custom.py`` writes: class k is stored as k + 1, 0 is unlabelled;
    instance 0 is none. ``METAINFO`` of an object of this class follows from ``classes``.

    Args:
        classes: names, in the order in which the data were prepared.
        metainfo: ``dict(classes=…)`` with some of ``classes``, to use these only;
            ``palette`` with their colours, if others are wanted.
        options: the other arguments of :class:`InsSegDataset`.

    Raises:
        ValueError: no classes, one twice, or others than those of the info file.
    """

    METAINFO = {
        'classes': (),
        'palette': [],
        'seg_valid_class_ids': (),
        'seg_all_class_ids': (0,),
    }

    def __init__(
        self,
        *,
        classes: Sequence[str],
        metainfo: dict | None = None,
        **options,
    ) -> None:
        names = tuple(classes)
        if isinstance(classes, str) or not names or len(set(names)) < len(names):
            raise ValueError(
                f'CustomInsSegDataset: classes={classes!r}; expected a list of different names, '
                'as given to tools/prepare_custom.py'
            )
        all_ids = tuple(range(len(names) + 1))
        # Of this object, in place of the class's: what the base classes read.
        self.METAINFO = {
            'classes': names,
            'palette': make_palette(len(names)),
            'seg_valid_class_ids': all_ids[1:],
            'seg_all_class_ids': all_ids,
        }
        super().__init__(metainfo={'seg_all_class_ids': all_ids, **(metainfo or {})}, **options)
        stored = tuple(self.metainfo.get('categories', names))
        if stored != names:
            raise ValueError(
                f'{self.ann_file}: prepared with the classes {list(stored)}, the config has '
                f'{list(names)}; expected the same in the same order, or labels would change '
                'their meaning. Prepare the data again, or correct the config; to use some of the '
                'classes only, set metainfo=dict(classes=…)'
            )
