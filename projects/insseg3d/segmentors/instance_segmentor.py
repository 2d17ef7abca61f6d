# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The model of every method: voxels, backbone, a neck if there is one, head, auxiliary branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet3d.models.segmentors.base import Base3DSegmentor
from mmdet3d.registry import MODELS, TASK_UTILS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..engine import current_iteration
from ..ops.segment import segment_mean
from ..structures import InstanceMap, SceneBatch, SceneRows, VoxelLevel, voxel_tables_of
from .strategies import ScenePart

MAP_SCORE_THR, MAP_MIN_SHARE = 0.3, 0.5
"""Masks with a lower score, or with a smaller share of points that better ones leave, get no points
in the map without overlaps."""


@MODELS.register_module()
class InstanceSegmentor3D(Base3DSegmentor):
    """Instance segmentation of point clouds with a sparse backbone.

    The data samples contain the voxel tables (``AddVoxelTables`` in the pipeline). The segmentor
    averages the points of each voxel, calls the backbone and the neck, and passes a
    :class:`SceneBatch` to the head, in training and in a test. docs/mixing.md describes each part.

    Args:
        backbone: Config. The backbone is called with voxel features ``(V, C)`` and coordinates
            ``(V, 4)`` and returns a dict of levels by stride, or the finest features alone.
        decode_head: Config. The head has ``forward(batch)``, ``loss(batch)`` and
            ``predict(batch)``.
        neck: Config. The neck is called with the levels and B and returns memory ``(B, J, C)`` and
            its padding. None for a head that needs no memory.
        auxiliary: Config of each branch that adds losses to the training and has no other effect.
            Its ``name`` is the prefix of its losses; ``aux<index>`` if the config has no name.
        data_preprocessor: Config of mmdetection3d's unchanged ``Det3DDataPreprocessor``.
        test_strategy: Config of the strategy that passes scenes through the backbone in a test;
            None for ``VoxelFull``.
        refinement: Config of a part that changes the instances found in a scene, called as
            ``refinement(instances, sample)``, for example ``SuperpointVote``; None for none.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: Two branches have the same name, or a name that cannot be a prefix.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        decode_head: dict,
        neck: dict | None = None,
        auxiliary: Sequence[dict] = (),
        data_preprocessor: dict | None = None,
        test_strategy: dict | None = None,
        refinement: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.test_strategy = TASK_UTILS.build(test_strategy or dict(type='VoxelFull'))
        self.refinement = None if refinement is None else TASK_UTILS.build(refinement)
        self.neck = None if neck is None else MODELS.build(neck)
        self.decode_head = MODELS.build(decode_head)
        self.auxiliary = _build_branches(auxiliary)

    def loss(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> dict[str, Tensor]:
        """Compute the losses of a batch, scalars by name."""
        batch = self.whole_scenes(inputs, data_samples)
        losses = self.decode_head.loss(batch)
        for name, branch in self.auxiliary.items():
            losses |= {f'{name}.{key}': value for key, value in branch.loss(batch).items()}
        return losses

    def predict(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> Sequence[Det3DDataSample]:
        """Add ``pred_instances_3d`` and ``pred_pts_seg`` to the data samples.

        ``pred_pts_seg`` is a map in which each point belongs to at most one instance. It also holds
        the results per point that the head stored in the metainfo of its instances.
        """
        found = self.predict_scenes(inputs, data_samples)
        for sample, instances in zip(data_samples, found):
            per_point = {key: instances.pop(key) for key in instances.metainfo_keys()}
            sample.pred_instances_3d = instances
            sample.pred_pts_seg = PointData(**self._point_map(instances), **per_point)
        return data_samples

    def predict_scenes(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> list[InstanceData]:
        """Find the instances of each scene, without a map of the points."""
        found = self.decode_head.predict(self.split_scenes(inputs, data_samples))
        if self.refinement is None:
            return found
        return [self.refinement(some, sample) for some, sample in zip(found, data_samples)]

    def encode_decode(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> Any:
        """Return the raw outputs of the head, without losses or post-processing."""
        return self.decode_head(self.whole_scenes(inputs, data_samples))

    def extract_feat(
        self, inputs: dict, data_samples: Sequence[Det3DDataSample]
    ) -> dict[int, VoxelLevel]:
        """Average points into voxels and run the backbone on whole scenes.

        Args:
            inputs: ``points``, one ``(P, 6)`` per scene.
            data_samples: One per scene, with its voxel tables.

        Returns:
            Levels by stride. The rows of stride 1 are the scenes' voxels, scene after scene.

        Raises:
            ValueError: A sample has no voxel tables, or the backbone does not return stride 1.
        """
        return self._run_backbone(_whole_parts(inputs, data_samples))

    def whole_scenes(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> SceneBatch:
        """Run backbone and neck on whole scenes; see :meth:`extract_feat`."""
        parts = _whole_parts(inputs, data_samples)
        levels = self._run_backbone(parts)
        rows = [part.rows(features) for part, features in zip(parts, _split(levels, parts))]
        return self._batch(levels, rows, inputs, data_samples)

    def split_scenes(self, inputs: dict, data_samples: Sequence[Det3DDataSample]) -> SceneBatch:
        """Run backbone and neck on the parts of the test strategy; see :meth:`extract_feat`."""
        scenes = [
            self.test_strategy.split(points, voxel_tables_of(sample))
            for points, sample in zip(inputs['points'], data_samples)
        ]
        first, features = None, []
        for parts in zip(*scenes):
            levels = self._run_backbone(parts)
            features.append(_split(levels, parts))
            first = first or levels
        rows = [
            self.test_strategy.join(parts, [of_part[b] for of_part in features])
            for b, parts in enumerate(scenes)
        ]
        return self._batch(first, rows, inputs, data_samples)

    def _run_backbone(self, parts: Sequence[ScenePart]) -> dict[int, VoxelLevel]:
        """Average the points of one part per scene into voxels and call the backbone."""
        features = torch.cat(
            [segment_mean(part.points, part.point2voxel, part.counts) for part in parts]
        )
        coors = torch.cat(
            [
                torch.cat([part.coors.new_full((len(part.coors), 1), b), part.coors], 1)
                for b, part in enumerate(parts)
            ]
        )
        levels = self.backbone(features, coors)
        if isinstance(levels, Tensor):
            levels = {1: VoxelLevel(levels, coors)}
        if 1 not in levels:
            raise ValueError(
                f'{type(self.backbone).__name__} returns strides {sorted(levels)}, expected 1 '
                'among them: masks are made over the finest voxels. Set backbone.out_strides.'
            )
        return levels

    def _batch(
        self,
        levels: dict[int, VoxelLevel],
        rows: Sequence[SceneRows],
        inputs: dict,
        data_samples: Sequence[Det3DDataSample],
    ) -> SceneBatch:
        """Call the neck, if there is one, and collect the fields of the batch."""
        memory, padding = (None, None) if self.neck is None else self.neck(levels, len(rows))
        return SceneBatch(
            levels=levels,
            rows=rows,
            coords=[points[:, :3] for points in inputs['points']],
            memory=memory,
            padding=padding,
            iteration=current_iteration(),
            samples=data_samples,
        )

    def _point_map(self, instances: InstanceData) -> dict[str, Tensor]:
        """Assign each point to at most one instance, with the size limit of the ranking."""
        ranking = getattr(self.decode_head, 'ranking', None)
        found = InstanceMap.of_masks(
            instances.masks,
            instances.labels_3d,
            instances.scores_3d,
            score_thr=MAP_SCORE_THR,
            min_points=getattr(ranking, 'min_points', 1),
            min_share=MAP_MIN_SHARE,
        )
        return dict(
            pts_instance_mask=found.instance,
            instance_labels=found.labels,
            instance_scores=found.scores,
        )

    def _forward(self, inputs: dict, data_samples: Sequence[Det3DDataSample] | None = None) -> Any:
        return self.encode_decode(inputs, data_samples)


@MODELS.register_module()
class GroupingSegmentor3D(InstanceSegmentor3D):
    """The same model under the name that configs of grouping methods use."""


def _build_branches(configs: Sequence[dict]) -> nn.ModuleDict:
    """Build the auxiliary branches, by name."""
    branches = nn.ModuleDict()
    for index, config in enumerate(configs):
        config = dict(config)
        name = config.pop('name', f'aux{index}')
        if name in branches or not str(name).isidentifier():
            raise ValueError(
                f'auxiliary[{index}].name is {name!r}, expected an identifier that no other branch '
                f'has (others: {list(branches)}).'
            )
        branches[name] = MODELS.build(config)
    return branches


def _whole_parts(inputs: dict, data_samples: Sequence[Det3DDataSample]) -> list[ScenePart]:
    """Take each scene as one part."""
    return [
        ScenePart.whole(points, voxel_tables_of(sample))
        for points, sample in zip(inputs['points'], data_samples)
    ]


def _split(levels: dict[int, VoxelLevel], parts: Sequence[ScenePart]) -> Sequence[Tensor]:
    """Split the finest features by scene."""
    # Rows are in the order of the scenes, so lengths are known without reading from the device.
    return levels[1].features.split([len(part.coors) for part in parts])
