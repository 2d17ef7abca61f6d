# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A model with a head of queries: voxels, backbone, neck, head."""

from collections.abc import Sequence

from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import InstanceData
from torch import Tensor

from ..structures import SceneTargets, VoxelLevel
from .voxel_segmentor import VoxelSegmentor3D, check_annotated, voxels_of


@MODELS.register_module()
class InstanceSegmentor3D(VoxelSegmentor3D):
    """Instance segmentation of point clouds with a sparse backbone and a query head.

    Args:
        backbone: As of :class:`VoxelSegmentor3D`, as are those not named here.
        neck: Config; called with the levels and B, it gives memory ``(B, J, C)`` and its padding.
        decode_head: Config of the head.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        neck: dict,
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
        self.neck = MODELS.build(neck)
        self.decode_head = MODELS.build(decode_head)

    def loss(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> dict[str, Tensor]:
        """Compute the losses of a batch, as a dict of scalars."""
        memory, padding, voxels, finest = self._head_inputs(inputs, data_samples)
        targets = [_targets(sample) for sample in data_samples]
        return self.decode_head.loss(memory, padding, voxels, targets, finest)

    def predict_scenes(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> list[tuple[InstanceData, PointData]]:
        """Instances, and a map without overlaps, of each scene."""
        levels, rows = self.extract_rows(inputs, data_samples)
        memory, padding = self.neck(levels, len(data_samples))
        return self.decode_head.predict(memory, padding, rows, levels[1])

    def encode_decode(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> tuple:
        """Run the network without losses or post-processing; gives the head's raw outputs."""
        return self.decode_head(*self._head_inputs(inputs, data_samples))

    def _head_inputs(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> tuple[Tensor, Tensor | None, list[Tensor], VoxelLevel]:
        """Run backbone and neck: memory, its padding, finest features of each scene, and of all."""
        levels = self.extract_feat(inputs, data_samples)
        memory, padding = self.neck(levels, len(data_samples))
        # The finest rows are in the order of the scenes, so that their lengths are known.
        lengths = [len(voxels_of(sample).coors) for sample in data_samples]
        return memory, padding, list(levels[1].features.split(lengths)), levels[1]


def _targets(sample: Det3DDataSample) -> SceneTargets:
    check_annotated(sample)
    voxels = sample.voxels
    return SceneTargets(
        voxels.counts,
        voxels.inst_voxel,
        voxels.inst_index,
        voxels.inst_points,
        sample.gt_instances_3d.labels_3d,
    )
