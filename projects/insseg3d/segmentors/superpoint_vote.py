# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Masks that follow the borders of superpoints."""

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import BaseDataElement, InstanceData

from ..ops.segment import segment_sum
from ..structures import voxel_tables_of

MOST_MASKS_AT_ONCE = 16
"""Masks that are counted at a time: as floats, they take four times their memory."""


@TASK_UTILS.register_module()
class SuperpointVote:
    """Put a superpoint into a mask as a whole if the mask has more than half of its points.

    Otherwise the superpoint is taken out of the mask. Scores and classes stay as they are; a mask
    that becomes empty is dropped. On ScanNet, objects are unions of superpoints.

    Deviation: not in 3D-QueryIS. Source: the averaging of masks over segments in Mask3D's tests.
    """

    def __call__(self, instances: InstanceData, sample: BaseDataElement) -> InstanceData:
        """Change the masks of a scene.

        Args:
            instances: ``masks (Q, P)`` bool, with one row per mask in all other fields.
            sample: Data sample with voxel tables, among them ``point2superpoint (P,)``.

        Returns:
            At most as many instances, in their order.

        Raises:
            ValueError: The sample has no superpoints.
        """
        index = getattr(voxel_tables_of(sample), 'point2superpoint', None)
        if index is None:
            raise ValueError(
                f'{type(self).__name__}: the sample has no voxels.point2superpoint; prepare the '
                "data with --superpoints, and insert dict(type='LoadSuperpoints') directly after "
                'LoadPointsFromFile.'
            )
        sizes = torch.bincount(index)
        voted = [
            self._vote(some, index, sizes) for some in instances.masks.split(MOST_MASKS_AT_ONCE)
        ]
        instances.masks = torch.cat(voted)
        return instances[instances.masks.any(1)]

    @staticmethod
    def _vote(masks: torch.Tensor, index: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        inside = segment_sum(masks.T.float(), index, len(sizes))
        return (2 * inside > sizes[:, None])[index].T
