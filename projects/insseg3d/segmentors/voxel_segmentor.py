# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What all models share that mmdetection3d's runner sees: points to voxels to backbone."""

from collections.abc import Sequence

import torch
from mmdet3d.models.segmentors.base import Base3DSegmentor
from mmdet3d.registry import MODELS, TASK_UTILS
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..ops.segment import segment_mean
from ..structures import SceneRows, VoxelLevel
from .strategies import ScenePart, VoxelFull


class VoxelSegmentor3D(Base3DSegmentor):
    """A model with a sparse backbone; the base class of those with a head.

    The data samples carry the voxels (``AddVoxelTables`` in the pipeline); here the points of each
    voxel are averaged, and the backbone is called. A subclass has ``predict_scenes``, ``loss`` and
    ``encode_decode``.

    Args:
        backbone: Config; called with voxel features ``(V, C)`` and coordinates ``(V, 4)``, it
            gives a dict of levels by stride, or the finest features alone.
        data_preprocessor: Config, mmdetection3d's ``Det3DDataPreprocessor`` as it is.
        test_strategy: Config of how scenes reach the backbone at test time; ``VoxelFull`` if None.
        init_cfg: As in mmengine.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        data_preprocessor: dict | None = None,
        test_strategy: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.test_strategy = TASK_UTILS.build(test_strategy or dict(type='VoxelFull'))

    def extract_feat(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> dict[int, VoxelLevel]:
        """Average points into voxels and run the backbone.

        Args:
            inputs: ``points``, one ``(P, 6)`` a scene.
            data_samples: One a scene, with its voxels.

        Returns:
            Levels by stride; the rows of stride 1 are the scenes' voxels, scene after scene.
        """
        return self._run_backbone(
            [
                part
                for points, sample in zip(inputs['points'], data_samples)
                for part in VoxelFull().split(points, voxels_of(sample))
            ]
        )

    def extract_rows(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> tuple[dict[int, VoxelLevel], list[SceneRows]]:
        """Run the backbone as the test strategy says.

        Args:
            inputs: As of ``extract_feat``, as is ``data_samples``.

        Returns:
            Levels by stride, of the points that queries are made from, and what the masks of
            each scene are made over.
        """
        scenes = [
            self.test_strategy.split(points, voxels_of(sample))
            for points, sample in zip(inputs['points'], data_samples)
        ]
        first, features = None, []
        for parts in zip(*scenes):
            levels = self._run_backbone(parts)
            # The finest rows are in the order of the scenes, so that their lengths are known.
            features.append(levels[1].features.split([len(part.coors) for part in parts]))
            first = first or levels
        rows = [
            self.test_strategy.join(parts, [of_part[b] for of_part in features])
            for b, parts in enumerate(scenes)
        ]
        return first, rows

    def _run_backbone(self, scenes: Sequence[ScenePart]) -> dict[int, VoxelLevel]:
        """Average points into voxels and call the backbone."""
        features = torch.cat(
            [segment_mean(scene.points, scene.point2voxel, scene.counts) for scene in scenes]
        )
        coors = torch.cat(
            [
                torch.cat([scene.coors.new_full((len(scene.coors), 1), b), scene.coors], 1)
                for b, scene in enumerate(scenes)
            ]
        )
        levels = self.backbone(features, coors)
        if isinstance(levels, Tensor):
            levels = {1: VoxelLevel(levels, coors)}
        return levels

    def predict(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> Sequence[Det3DDataSample]:
        """Add ``pred_instances_3d`` and ``pred_pts_seg`` to the data samples."""
        results = self.predict_scenes(inputs, data_samples)
        for sample, (instances, point_map) in zip(data_samples, results):
            sample.pred_instances_3d = instances
            sample.pred_pts_seg = point_map
        return data_samples

    def predict_scenes(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> list[tuple]:
        """Instances, and a map without overlaps, of each scene."""
        raise NotImplementedError

    def _forward(self, inputs: dict, data_samples: Sequence[Det3DDataSample] = None) -> tuple:
        return self.encode_decode(inputs, data_samples)


def voxels_of(sample: Det3DDataSample) -> BaseDataElement:
    """The voxels of a scene.

    Raises:
        ValueError: If it has none; says what to do to have them.
    """
    if 'voxels' not in sample:
        raise ValueError(
            'The data sample carries no voxels '
            f'(found {sorted(sample.keys())}); put AddVoxelTables after Pack3DDetInputs in the '
            'pipeline.'
        )
    return sample.voxels


def check_annotated(sample: Det3DDataSample) -> None:
    """Stop where a scene to train on has no ground truth.

    Raises:
        ValueError: Naming the scene.
    """
    if 'inst_voxel' not in voxels_of(sample):
        raise ValueError(
            f'{sample.metainfo.get("lidar_path", "scene")}: no ground-truth instances to train '
            'on; load masks (LoadAnnotations3D) and pack pts_instance_mask and pts_semantic_mask.'
        )
