# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Labels of surfaces of a room that are not objects."""

from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LabelStuff(BaseTransform):
    """Map labels with some transforms, but keep separate labels for surfaces such as walls.

    Methods that group points by their predicted class need to distinguish wall and floor from
    unannotated points. The dataset lists the stored semantic ids of such surfaces in
    ``METAINFO['seg_stuff_class_ids']``; if it lists none, nothing changes. A point of the s-th
    surface that the transforms map to K (no class) gets the label K + 1 + s. Its instance stays
    −1, and ``eval_ann_info`` does not change.

    Use this transform instead of ``PointSegClassMapping`` and ``SelectInstances``, and pass these
    two to it.

    Args:
        transforms: Transforms that map ``pts_semantic_mask`` from stored ids to [0, K].
    """

    def __init__(self, transforms: Sequence[dict | Callable]) -> None:
        self.transforms = Compose(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        )

    def transform(self, results: dict) -> dict:
        """Map the labels of a scene."""
        stored = results['pts_semantic_mask']
        results = self.transforms(results)
        num_classes = int(results['seg_label_mapping'].max())
        # A copy: eval_ann_info may hold the same array.
        semantic = np.array(results['pts_semantic_mask'])
        is_free = semantic == num_classes
        for number, stuff_id in enumerate(results.get('stuff_class_ids', ())):
            semantic[is_free & (stored == stuff_id)] = num_classes + 1 + number
        results['pts_semantic_mask'] = semantic
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms})'
