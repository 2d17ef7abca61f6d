# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Structures that the parts of a model exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from .ops.contingency import instance_codes
from .ops.painting import resolve_overlaps


class VoxelLevel(NamedTuple):
    """The voxels of one resolution of a batch of scenes.

    Attributes:
        features: ``(V_s, C_s)`` floating point.
        coors: ``(V_s, 4)`` integers (batch, x, y, z), grid indices at that resolution.
    """

    features: Tensor
    coors: Tensor


class SceneTargets(NamedTuple):
    """Ground truth of one scene, per voxel, without a dense (G, V) matrix.

    The voxel--instance table has one row per pair of a voxel and an instance that share points. A
    voxel on a border between two instances has two rows, a voxel without an instance none.

    Attributes:
        counts: ``(V,)`` points in each voxel.
        inst_voxel: ``(E,)`` voxel of each row.
        inst_index: ``(E,)`` instance of each row, in ``[0, G)``.
        inst_points: ``(E,)`` points that they share.
        labels: ``(G,)`` class of each instance, in ``[0, K)``.
    """

    counts: Tensor
    inst_voxel: Tensor
    inst_index: Tensor
    inst_points: Tensor
    labels: Tensor

    @classmethod
    def of(cls, sample: BaseDataElement) -> SceneTargets:
        """Take the ground truth of a data sample.

        Raises:
            ValueError: The sample has no voxel tables or no ground truth.
        """
        tables = _annotated_tables(sample)
        return cls(
            tables.counts,
            tables.inst_voxel,
            tables.inst_index,
            tables.inst_points,
            sample.gt_instances_3d.labels_3d,
        )


class SceneRows(NamedTuple):
    """Rows of features over which the masks of one scene are made; a row represents several points.

    A row is a voxel. If the test strategy splits a scene, it is a voxel of one of the parts.

    Attributes:
        features: ``(R, C)`` of the finest backbone level.
        counts: ``(R,)`` points that each row represents.
        point2row: ``(P,)`` the row of each point, in ``[0, R)``.
    """

    features: Tensor
    counts: Tensor
    point2row: Tensor


class PointTargets(NamedTuple):
    """Ground truth of one scene, per point.

    Attributes:
        semantic: ``(P,)`` class in ``[0, K)``, K for none of them; K + 1 + s for surface s of the
            room, if the dataset labels such surfaces.
        instance: ``(P,)`` in ``[0, G)``, -1 for none.
        labels: ``(G,)`` class of each instance, in ``[0, K)``.
    """

    semantic: Tensor
    instance: Tensor
    labels: Tensor

    @classmethod
    def of(cls, sample: BaseDataElement) -> PointTargets:
        """Take the ground truth of a data sample.

        Raises:
            ValueError: The sample has no voxel tables or no ground truth.
        """
        _annotated_tables(sample)
        truth = sample.gt_pts_seg
        return cls(
            truth.pts_semantic_mask, truth.pts_instance_mask, sample.gt_instances_3d.labels_3d
        )


@dataclass(frozen=True)
class SceneBatch:
    """Input of a head: a batch of scenes, in training and in a test.

    Attributes:
        levels: Levels of the backbone by stride; the finest has stride 1. If a test strategy splits
            the scenes, these are the levels of the first part.
        rows: Per scene, the rows of features over which masks are made.
        coords: Per scene ``(P, 3)`` metres, the points as the network receives them: augmented, but
            not distorted.
        memory: ``(B, J, C)`` from the neck; None for a model without a neck.
        padding: ``(B, J)`` bool, True for the rows of ``memory`` to ignore; None if there are none.
        iteration: Number of iterations that the training has completed.
        samples: Data sample of each scene, with its ground truth.
    """

    levels: dict[int, VoxelLevel]
    rows: Sequence[SceneRows]
    coords: Sequence[Tensor]
    memory: Tensor | None = None
    padding: Tensor | None = None
    iteration: int = 0
    samples: Sequence[BaseDataElement] = ()

    @property
    def num_scenes(self) -> int:
        """B."""
        return len(self.rows)

    def voxel_targets(self) -> list[SceneTargets]:
        """Return the ground truth of each scene, per voxel.

        Raises:
            ValueError: A scene has no ground truth.
        """
        return [SceneTargets.of(sample) for sample in self.samples]

    def point_targets(self) -> list[PointTargets]:
        """Return the ground truth of each scene, per point.

        Raises:
            ValueError: A scene has no ground truth.
        """
        return [PointTargets.of(sample) for sample in self.samples]


def voxel_tables_of(sample: BaseDataElement) -> BaseDataElement:
    """Return the voxel tables that ``AddVoxelTables`` added to a data sample.

    Raises:
        ValueError: The sample has none.
    """
    if 'voxels' not in sample:
        raise ValueError(
            'The data sample has no voxels '
            f'(found {sorted(sample.keys())}); put AddVoxelTables after Pack3DDetInputs in the '
            'pipeline.'
        )
    return sample.voxels


def _annotated_tables(sample: BaseDataElement) -> BaseDataElement:
    """Return the voxel tables of a sample that has ground truth."""
    tables = voxel_tables_of(sample)
    if 'inst_voxel' not in tables:
        raise ValueError(
            f'{sample.metainfo.get("lidar_path", "scene")}: no ground-truth instances to train '
            'on; load masks (LoadAnnotations3D) and pack pts_instance_mask and pts_semantic_mask.'
        )
    return tables


@dataclass(frozen=True)
class InstanceMap:
    """Map of a scene in which each point belongs to at most one object.

    The fields are arrays, except that :meth:`of_masks` returns tensors on the model's device.
    :meth:`numpy` converts these to arrays.

    Attributes:
        instance: ``(P,)`` int64 in [-1, Q), the index of the point's object, -1 for none.
        labels: ``(Q,)`` int64 class of each object.
        scores: ``(Q,)`` confidence of each object, float64 in arrays; None for ground truth.
    """

    instance: np.ndarray | Tensor
    labels: np.ndarray | Tensor
    scores: np.ndarray | Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, instance: Any, labels: Any, scores: Any = None) -> InstanceMap:
        """Make a map from arrays or tensors, such as those in ``pred_pts_seg``.

        Raises:
            ValueError: An instance number has no label, or lengths differ.
        """
        instance = np.maximum(to_array(instance).astype(np.int64), -1)
        labels = to_array(labels).astype(np.int64)
        scores = None if scores is None else to_array(scores).astype(np.float64)
        if instance.max(initial=-1) >= len(labels):
            raise ValueError(
                f'instance number {instance.max()} has no label: {len(labels)} labels were given. '
                'Instance numbers index the labels.'
            )
        if scores is not None and scores.shape != labels.shape:
            raise ValueError(f'{len(labels)} labels need as many scores, found {scores.shape}.')
        return cls(instance, labels, scores)

    @classmethod
    def from_annotation(cls, instance: Any, semantic: Any, *, num_classes: int) -> InstanceMap:
        """Make a map from ground truth: instance number (any numbering) and class of each point."""
        codes = instance_codes(to_array(instance), to_array(semantic), num_classes=num_classes)
        return cls(np.where(codes.codes < len(codes.labels), codes.codes, -1), codes.labels)

    @classmethod
    def of_masks(
        cls,
        masks: Tensor,
        labels: Tensor,
        scores: Tensor,
        *,
        score_thr: float = float('-inf'),
        min_points: int = 1,
        min_share: float = 0.5,
    ) -> InstanceMap:
        """Assign each point to at most one of several ranked masks that may overlap.

        Args:
            masks: ``(Q, P)`` bool, in descending order of score.
            labels: ``(Q,)``.
            scores: ``(Q,)``.
            score_thr: Masks with a lower score are left out.
            min_points: See :func:`~insseg3d.ops.painting.resolve_overlaps`.
            min_share: See :func:`~insseg3d.ops.painting.resolve_overlaps`.

        Returns:
            Tensors on the masks' device; objects in the order of the masks.
        """
        # Masks are sorted by score, so a slice selects those above the threshold without a copy.
        confident = slice(int((scores >= score_thr).sum()))
        owner = resolve_overlaps(masks[confident], min_points=min_points, min_share=min_share)
        whole = cls(owner, labels[confident], scores[confident])
        kept = torch.zeros(len(whole) + 1, dtype=torch.bool, device=owner.device)
        kept[owner] = True  # points of no object set the last entry
        return whole.choose(kept[:-1])

    @property
    def sizes(self) -> np.ndarray:
        """``(Q,)`` points of each object."""
        return np.bincount(to_array(self.instance) + 1, minlength=len(self) + 1)[1:]

    def choose(self, kept: Tensor) -> InstanceMap:
        """Keep some objects of a map of tensors; points of the others then belong to no object.

        Args:
            kept: ``(Q,)`` bool.
        """
        number = torch.where(kept, kept.cumsum(0) - 1, -1).to(self.instance.dtype)
        number = torch.cat([number, number.new_full((1,), -1)])  # the last is for "no object"
        rows = kept.nonzero()[:, 0]
        return InstanceMap(number[self.instance], self.labels[rows], self.scores[rows])

    def take(self, rows: np.ndarray | Tensor) -> InstanceMap:
        """Keep some points; objects keep their numbers.

        Args:
            rows: Indices ``(P',)`` or mask ``(P,)`` of the points.
        """
        return InstanceMap(self.instance[rows], self.labels, self.scores)

    def numpy(self) -> InstanceMap:
        """Copy a map of tensors to arrays on the host."""
        return InstanceMap.of(self.instance, self.labels, self.scores)


def to_array(values: Any) -> np.ndarray:
    """Return an array, tensor of any device, or sequence as an array, uncopied where possible."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
