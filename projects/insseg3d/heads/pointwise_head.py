# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Semantic class of each point, its offset to the centre of its object, and their losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.utils import reduce_mean
from mmdet3d.registry import MODELS
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..layers import BatchNorm
from ..ops.grouping.pointwise import (
    instance_centres,
    offset_direction_loss,
    offset_l1_loss,
    point_cross_entropy,
)
from ..structures import PointTargets, SceneRows
from .class_settings import refuse_other_classes


class PackedPoints(NamedTuple):
    """The points of a batch of scenes, one scene after the other.

    Attributes:
        features: ``(R, C)`` of the rows that represent the points.
        point2row: ``(P,)`` in ``[0, R)``.
        coords: ``(P, 3)`` metres, as the network receives them.
        scene: ``(P,)`` int64.
        num_scenes: B.
    """

    features: Tensor
    point2row: Tensor
    coords: Tensor
    scene: Tensor
    num_scenes: int

    @classmethod
    def pack(cls, scenes: Sequence[SceneRows], coords: Sequence[Tensor]) -> PackedPoints:
        """Concatenate scenes, given the rows and the coordinates ``(P, 3)`` of each."""
        start, point2row, scene = 0, [], []
        for b, rows in enumerate(scenes):
            point2row.append(rows.point2row + start)
            scene.append(torch.full_like(rows.point2row, b))
            start += len(rows.features)
        return cls(
            torch.cat([rows.features for rows in scenes]),
            torch.cat(point2row),
            torch.cat(list(coords)),
            torch.cat(scene),
            len(scenes),
        )


class PackedTargets(NamedTuple):
    """Ground truth of a batch of packed scenes.

    Attributes:
        semantic: ``(P,)``, numbered as in ``PointTargets``.
        instance: ``(P,)`` in ``[0, G)``, numbered over the batch, -1 for none.
        labels: ``(G,)`` class of each instance, in ``[0, K)``.
    """

    semantic: Tensor
    instance: Tensor
    labels: Tensor

    @classmethod
    def pack(cls, targets: Sequence[PointTargets]) -> PackedTargets:
        """Concatenate the ground truth of scenes."""
        start, instance = 0, []
        for scene in targets:
            instance.append(torch.where(scene.instance >= 0, scene.instance + start, -1))
            start += len(scene.labels)
        return cls(
            torch.cat([scene.semantic for scene in targets]),
            torch.cat(instance),
            torch.cat([scene.labels for scene in targets]),
        )


class PointwiseOutputs(NamedTuple):
    """Raw outputs, per row. All points of a row share them.

    Attributes:
        logits: ``(R, K + S)``, the K classes, then the S surfaces of the room.
        offsets: ``(R, 3)`` metres, from the point to the centre of its object.
    """

    logits: Tensor
    offsets: Tensor


@MODELS.register_module()
class OffsetL1Loss(nn.Module):
    """Distance of the offsets from the true ones; see :func:`offset_l1_loss`.

    Args:
        loss_weight: Factor of the loss.
        most_weight: If given, the weight of a point is the length of its true offset in metres, at
            most this. Source: HAIS's paper, with 1; its code has no such weight.
    """

    def __init__(self, *, loss_weight: float = 1.0, most_weight: float | None = None) -> None:
        super().__init__()
        self.loss_weight, self.most_weight = loss_weight, most_weight

    def forward(self, offsets: Tensor, targets: Tensor) -> Tensor:
        """Compare offsets and targets, both ``(P, 3)``; return a scalar."""
        weights = None
        if self.most_weight is not None:
            weights = torch.linalg.vector_norm(targets, dim=1).clamp(max=self.most_weight)
        return self.loss_weight * offset_l1_loss(offsets, targets, weights)


@MODELS.register_module()
class OffsetDirectionLoss(nn.Module):
    """Error in the direction of the offsets; see :func:`offset_direction_loss`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, offsets: Tensor, targets: Tensor) -> Tensor:
        """Compare offsets and targets, both ``(P, 3)``; return a scalar."""
        return self.loss_weight * offset_direction_loss(offsets, targets)


@MODELS.register_module()
class PointwiseHead(BaseModule):
    """Predict the semantic class and the offset of each point.

    All points of a voxel have the same features, so both are computed per voxel.
    Deviation: hidden layers of the PointGroup family normalise over points. Here a voxel counts
    once in the normalisation; in the losses it counts as often as it has points.

    Args:
        in_channels: C.
        num_classes: K.
        num_stuff: S, number of surfaces of the room that the dataset labels besides the classes.
        semantic_layers: Linear layers of the semantic branch, with norm and ReLU between.
        offset_losses: Config of each loss on the offsets, by name.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        offset_losses: dict[str, dict],
        num_stuff: int = 0,
        semantic_layers: int = 2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes, self.num_stuff = num_classes, num_stuff
        self.semantic = _linear_layers(in_channels, num_classes + num_stuff, semantic_layers)
        self.offset = _linear_layers(in_channels, 3, 2)
        self.offset_losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in offset_losses.items()}
        )

    def forward(self, features: Tensor) -> PointwiseOutputs:
        """Compute class and offset from features ``(R, C)``, in full precision."""
        return PointwiseOutputs(
            *(
                out if out.dtype == torch.float64 else out.float()
                for out in (self.semantic(features), self.offset(features))
            )
        )

    def loss(
        self, outputs: PointwiseOutputs, points: PackedPoints, targets: PackedTargets
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Each is a mean over the points of all processes.

        Returns:
            ``loss_semantic``, and ``loss_offset_<name>`` of each loss on the offsets.
        """
        labels, inside = self._labels(targets.semantic), targets.instance >= 0
        labelled, in_objects = _shares(torch.stack([(labels >= 0).sum(), inside.sum()]))
        semantic = point_cross_entropy(outputs.logits, points.point2row, labels)
        losses = dict(loss_semantic=labelled * semantic)
        coords, owner = points.coords[inside].to(outputs.offsets.dtype), targets.instance[inside]
        centres = instance_centres(coords, owner, len(targets.labels))
        offsets = outputs.offsets.index_select(0, points.point2row[inside])
        for name, loss in self.offset_losses.items():
            losses[f'loss_offset_{name}'] = in_objects * loss(offsets, centres[owner] - coords)
        return losses

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        """Reject a checkpoint of another label set."""
        number = self.num_classes + self.num_stuff
        refuse_other_classes(
            state_dict,
            f'{prefix}semantic.{len(self.semantic) - 1}.bias',
            expected=number,
            wanted=f'{number} (num_classes={self.num_classes} and num_stuff={self.num_stuff})',
            kind='semantic classes',
        )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _labels(self, semantic: Tensor) -> Tensor:
        """Return the logit column of each label, -1 for none."""
        beyond = semantic - 1
        labels = torch.where(semantic < self.num_classes, semantic, beyond)
        unknown = (semantic == self.num_classes) | (labels >= self.num_classes + self.num_stuff)
        return labels.masked_fill(unknown, -1)


def _shares(counts: Tensor) -> Tensor:
    """Divide counts by their means over all processes; 1 if there is one process.

    A mean over the points of one process, times this factor, has the gradient of a mean over the
    points of all, because the processes average their gradients.
    """
    if get_world_size() == 1:
        return torch.ones_like(counts, dtype=torch.float32)
    counts = counts.float()
    return counts / reduce_mean(counts).clamp(min=1 / get_world_size())


def _linear_layers(in_channels: int, out_channels: int, layers: int) -> nn.Sequential:
    hidden = [
        part
        for _ in range(layers - 1)
        for part in (nn.Linear(in_channels, in_channels), BatchNorm(in_channels), nn.ReLU())
    ]
    return nn.Sequential(*hidden, nn.Linear(in_channels, out_channels))
