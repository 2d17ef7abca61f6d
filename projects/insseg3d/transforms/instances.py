# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Instance ids of points, and classes of instances."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS


def consecutive_ids(instance_ids: np.ndarray) -> np.ndarray:
    """Renumber instances 0..G−1 in ascending order of their ids; negative ids become −1.

    Args:
        instance_ids: ``(P,)`` integers.

    Returns:
        ``(P,)`` int64, a new array.
    """
    is_inside = instance_ids >= 0
    inside = instance_ids[is_inside]
    renumbered = np.full(len(instance_ids), -1, dtype=np.int64)
    if inside.max(initial=-1) < 10 * len(instance_ids):  # the usual case; faster than sorting
        occurs = np.bincount(inside) > 0
        renumbered[is_inside] = (np.cumsum(occurs) - 1)[inside]
    else:
        renumbered[is_inside] = np.unique(inside, return_inverse=True)[1]
    return renumbered


def majority_labels(instance_ids: np.ndarray, semantic: np.ndarray, num_classes: int) -> np.ndarray:
    """Find the majority class of the points of each instance; the lower class on a tie.

    Args:
        instance_ids: ``(P,)`` in [−1, G), consecutive.
        semantic: ``(P,)`` in [0, num_classes).
        num_classes: K or more.

    Returns:
        ``(G,)`` int64.
    """
    inside = instance_ids >= 0
    keys = instance_ids[inside] * num_classes + semantic[inside]
    num_instances = int(instance_ids.max(initial=-1)) + 1
    votes = np.bincount(keys, minlength=num_instances * num_classes)
    return votes.reshape(num_instances, num_classes).argmax(axis=1)


@TRANSFORMS.register_module()
class SelectInstances(BaseTransform):
    """Turn the stored instance ids into ground truth.

    Rules, in this order:

    1. A point of instance 0 (unannotated) or below has no instance: −1.
    2. A point of an ignored class (mapped to K), such as wall and floor on ScanNet, has none
       either.
    3. An instance has one class, that of most of its points; the lower class on a tie. Its other
       points get this class too. (Such points occur only where two objects share an over-segment,
       and only if a converter takes the segment's label from one object and its instance from the
       other; ``tools/prepare_scannet.py`` does not.)
    4. Ids become consecutive, 0..G−1, in ascending order.

    Requires the stored ``pts_instance_mask`` and ``pts_semantic_mask`` after
    ``PointSegClassMapping``; replaces both, also in ``eval_ann_info``.

    Source: ScanNet's benchmark defines an object by class and instance, and ignores points without
    a class. Deviation: rule 3; the benchmark's own script would split such an instance in two.

    Args:
        unannotated_id: The highest stored id that means "no instance". Source: 0 in
            mmdetection3d's files of ScanNet, which count instances from 1.
    """

    def __init__(self, *, unannotated_id: int = 0) -> None:
        self.unannotated_id = unannotated_id

    def transform(self, results: dict) -> dict:
        """Replace the masks of a scene."""
        # PointSegClassMapping maps ids that are not a class to K.
        num_classes = int(results['seg_label_mapping'].max())
        semantic = results['pts_semantic_mask'].astype(np.int64)
        stored = results['pts_instance_mask']
        inside = (stored > self.unannotated_id) & (semantic < num_classes)
        instance = consecutive_ids(np.where(inside, stored, -1))
        labels = majority_labels(instance, semantic, num_classes)
        semantic[inside] = labels[instance[inside]]
        results['pts_instance_mask'], results['pts_semantic_mask'] = instance, semantic
        if 'eval_ann_info' in results:
            results['eval_ann_info'].update(pts_instance_mask=instance, pts_semantic_mask=semantic)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(unannotated_id={self.unannotated_id})'


@TRANSFORMS.register_module()
class RelabelInstances(BaseTransform):
    """Make instance ids consecutive again after points were dropped.

    Source: the PointGroup family, which moves the largest id into each gap. Here, the order is
    kept; models do not depend on the order, because ids are arbitrary.
    """

    def transform(self, results: dict) -> dict:
        """Renumber ``pts_instance_mask``."""
        results['pts_instance_mask'] = consecutive_ids(results['pts_instance_mask'])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
