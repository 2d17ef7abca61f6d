# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A model whose head groups points: voxels, backbone, head; there is no neck."""

from collections.abc import Sequence

from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import InstanceData
from torch import Tensor

from ..engine import current_iteration
from ..structures import PointTargets, SceneRows
from .voxel_segmentor import VoxelSegmentor3D, check_annotated, voxels_of


@MODELS.register_module()
class GroupingSegmentor3D(VoxelSegmentor3D):
    """Instance segmentation of point clouds with a sparse backbone and a head that groups points.

    Args:
        backbone: As of :class:`VoxelSegmentor3D`, as are those not named here. Where a strategy
            splits a scene, points are grouped over all its parts.
        decode_head: Config of the head.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        decode_head: dict,
        data_preprocessor: dict | None = None,
        test_strategy: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            data_preprocessor=data_preprocessor,
            test_strategy=test_strategy,
            init_cfg=init_cfg,
        )
        self.decode_head = MODELS.build(decode_head)

    def loss(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> dict[str, Tensor]:
        """Compute the losses of a batch, as a dict of scalars."""
        rows, targets = self._rows(inputs, data_samples), [_targets(s) for s in data_samples]
        return self.decode_head.loss(rows, _coords(inputs), targets, current_iteration())

    def predict_scenes(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> list[tuple[InstanceData, PointData]]:
        """Instances, and a map without overlaps, of each scene."""
        _, rows = self.extract_rows(inputs, data_samples)
        return self.decode_head.predict(rows, _coords(inputs))

    def encode_decode(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> tuple:
        """Run the network without grouping; gives what the head says of points."""
        return self.decode_head(self._rows(inputs, data_samples), _coords(inputs))

    def _rows(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> list[SceneRows]:
        """Finest features of each scene, whole scenes at once."""
        features = self.extract_feat(inputs, data_samples)[1].features
        voxels = [voxels_of(sample) for sample in data_samples]
        # The finest rows are in the order of the scenes, so that their lengths are known.
        return [
            SceneRows(part, scene.counts, scene.point2voxel)
            for part, scene in zip(features.split([len(scene.coors) for scene in voxels]), voxels)
        ]


def _coords(inputs: dict) -> list[Tensor]:
    """``(P, 3)`` metres of each scene, as the network sees them: augmented, not distorted."""
    return [points[:, :3] for points in inputs['points']]


def _targets(sample: Det3DDataSample) -> PointTargets:
    check_annotated(sample)
    truth = sample.gt_pts_seg
    return PointTargets(
        truth.pts_semantic_mask, truth.pts_instance_mask, sample.gt_instances_3d.labels_3d
    )
