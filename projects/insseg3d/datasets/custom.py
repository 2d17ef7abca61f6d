# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Custom scans, whose classes are set in the config."""

from collections.abc import Sequence

from mmdet3d.registry import DATASETS

from .base import InsSegDataset
from .palette import make_palette


@DATASETS.register_module()
class CustomInsSegDataset(InsSegDataset):
    """Custom scans for instance segmentation with custom classes.

    The files are those of ``tools/prepare_custom.py``: class k is stored as k + 1, and 0 is
    unlabelled; instance 0 means no instance. Each object of this class has its own ``METAINFO``,
    made from ``classes``.

    Args:
        classes: Names of the classes, in the order in which the data were prepared.
        metainfo: ``dict(classes=…)`` to use only some of ``classes``; an optional ``palette``
            replaces the default colours.
        options: The other arguments of :class:`InsSegDataset`.

    Raises:
        ValueError: There are no classes, a class occurs twice, or the classes differ from those
            of the info file.
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
        # The base classes read METAINFO of the object, which hides that of the class.
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
