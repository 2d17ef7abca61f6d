# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""S3DIS (Stanford large-scale 3D indoor spaces)."""

import os
from collections.abc import Sequence

from mmdet3d.registry import DATASETS

from .base import InsSegDataset

AREAS = (1, 2, 3, 4, 5, 6)
INFO_FILE = 's3dis_infos_Area_{area}.pkl'

_CLASSES = (  # name, colour; the index is the id
    ('ceiling', (0, 255, 0)),
    ('floor', (0, 0, 255)),
    ('wall', (0, 255, 255)),
    ('beam', (255, 255, 0)),
    ('column', (255, 0, 255)),
    ('window', (100, 100, 255)),
    ('door', (200, 200, 100)),
    ('table', (170, 120, 200)),
    ('chair', (255, 0, 0)),
    ('sofa', (200, 100, 100)),
    ('bookcase', (10, 200, 100)),
    ('board', (200, 200, 200)),
    ('clutter', (50, 50, 50)),
)


@DATASETS.register_module()
class S3DISInstanceSegDataset(InsSegDataset):
    """S3DIS for instance segmentation with 13 classes; walls, floors and ceilings are included.

    The files are those of ``tools/prepare_s3dis.py`` or of mmdetection3d's own converter. The six
    folds of the dataset are six choices of ``areas``.

    Args:
        areas: Numbers of the areas, 1 to 6; rooms are listed area by area in this order.
        ann_file: Info file of an area, relative to ``data_root``; ``{area}`` is its number.
        options: The other arguments of :class:`InsSegDataset`.

    Raises:
        ValueError: There is no area, an area is unknown, or it occurs twice.
        FileNotFoundError: An area has no info file.

    Source: names, order, ids and colours as in mmdetection3d's ``S3DISSegDataset``.
    """

    METAINFO = {
        'classes': tuple(name for name, _ in _CLASSES),
        'palette': [list(color) for _, color in _CLASSES],
        'seg_valid_class_ids': tuple(range(len(_CLASSES))),
        'seg_all_class_ids': tuple(range(len(_CLASSES) + 1)),  # 13 does not occur: ignored
    }

    def __init__(
        self,
        *,
        areas: int | Sequence[int] = (1, 2, 3, 4, 6),
        ann_file: str = INFO_FILE,
        **options,
    ) -> None:
        # `--cfg-options test_dataloader.dataset.areas=5` passes a number.
        self.areas = (areas,) if isinstance(areas, int) else tuple(areas)
        strange = [area for area in self.areas if area not in AREAS]
        if strange or not self.areas or len(set(self.areas)) < len(self.areas):
            raise ValueError(
                f'S3DISInstanceSegDataset: areas={areas!r}; expected some of {AREAS}, each once'
            )
        super().__init__(ann_file=ann_file, **options)

    def load_data_list(self) -> list[dict]:
        """Load the info files of all areas in order."""
        template, rooms = self.ann_file, []
        try:
            for area in self.areas:
                self.ann_file = template.replace('{area}', str(area))
                if self.backend_args is None and not os.path.isfile(self.ann_file):
                    raise FileNotFoundError(
                        f'{self.ann_file}: not found; expected the info file of area {area}. '
                        f'Prepare it: python tools/prepare_s3dis.py --areas {area} …'
                    )
                rooms += super().load_data_list()
        finally:
            self.ann_file = template
        return rooms
