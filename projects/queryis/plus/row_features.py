# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Features of rows that masks are made from, and that queries read under their masks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.heads.pointwise_head import PackedPoints, PackedTargets, PointwiseOutputs
from insseg3d.ops.precision import without_autocast
from insseg3d.ops.segment import segment_mean
from insseg3d.structures import SceneBatch, voxel_tables_of

Describe = Callable[[Tensor], Sequence[Tensor]]
"""Function from values of rows ``(R, ·)`` to their features, in parts ``(R, ·)``."""


class JoinedRows:
    """Features of the rows of a scene in several parts, which are joined where they are used.

    A slice ``rows[some]`` is the tensor ``(R', C)`` of these rows. At test time, masks are made
    from one slice after the other, so features of all rows of a large scene, 0.4 GB for a million
    rows of 3D-QueryIS+, are never in memory. If all rows are used at once, as in training, and as
    queries do that read every row, they are joined and kept.

    Args:
        parts: Values ``(R, ·)``, each with the function that describes them.
    """

    def __init__(self, *parts: tuple[Tensor, Describe]) -> None:
        self.parts = parts
        self.joined: Tensor | None = None

    def __len__(self) -> int:
        return len(self.parts[0][0])

    def __getitem__(self, some: slice) -> Tensor:
        if self.joined is None and some.indices(len(self)) == (0, len(self), 1):
            self.joined = self._join(some)
        return self._join(some) if self.joined is None else self.joined[some]

    def _join(self, some: slice) -> Tensor:
        """Describe some rows.

        Under autocast, features are narrower than coordinates. Half precision would round these to
        centimetres, so the widest dtype of all is taken.
        """
        columns = [part for values, describe in self.parts for part in describe(values[some])]
        dtype = functools.reduce(torch.promote_types, (part.dtype for part in columns))
        return torch.cat([part.to(dtype) for part in columns], 1)


class RowFeatures(NamedTuple):
    """Features of the rows of each scene of a batch.

    Attributes:
        features: Per scene ``(R, C)``, a tensor or rows whose slices are tensors.
        places: Per scene ``(R, 3)`` metres; None if the part has no positions.
        centers: Per scene ``(R, 3)`` metres, the predicted centre of the object of each row, or the
            place if none is predicted; None if the part has no positions.
        pointwise: Class and offset of the rows of all scenes; None if the part predicts none.
    """

    features: Sequence[Tensor | JoinedRows]
    places: list[Tensor] | None = None
    centers: list[Tensor] | None = None
    pointwise: PointwiseOutputs | None = None


@MODELS.register_module()
class BackboneFeatures(BaseModule):
    """Take the features of the finest backbone level as they are.

    Source: 3D-QueryIS, Sec. 3.3, F.

    Args:
        in_channels: Channels of the finest backbone level.
    """

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.num_channels = in_channels

    def forward(self, batch: SceneBatch) -> RowFeatures:
        """Describe the rows of a batch."""
        return RowFeatures([rows.features for rows in batch.rows])

    def loss(self, rows: RowFeatures, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of the part itself: none."""
        return {}


@MODELS.register_module()
class PlacedFeatures(BackboneFeatures):
    """Append features of the place of each row.

    Deviation: 3D-QueryIS makes masks from backbone features alone.

    Args:
        in_channels: Channels of the finest backbone level.
        position: Config of the position features, for example ``FourierPosition``.
    """

    def __init__(self, *, in_channels: int, position: dict) -> None:
        super().__init__(in_channels=in_channels)
        self.position = MODELS.build(position)
        self.num_channels = in_channels + self.position.num_channels

    def forward(self, batch: SceneBatch) -> RowFeatures:
        """Describe the rows of a batch."""
        places = [row_places(batch, b) for b in range(batch.num_scenes)]
        features = [
            JoinedRows((rows.features, _as_they_are), (place, self.position.parts))
            for rows, place in zip(batch.rows, places)
        ]
        return RowFeatures(features, places, places)


@MODELS.register_module()
class VotedFeatures(PlacedFeatures):
    """Append the class probabilities of each row, and features of the centre that it votes for.

    A point-wise head predicts the class of each row and its offset to the centre of its object. The
    rows of one object vote for nearly the same place, which sets them apart from those of its
    neighbours. The votes are used without gradients: only the losses of the point-wise head, which
    supervise every point, train it.

    Deviation: 3D-QueryIS has no point-wise predictions. Source: class and offset are those of
    PointGroup, which groups the shifted points. Nothing is grouped here.

    Args:
        in_channels: Channels of the finest backbone level.
        position: Config of the position features of the place.
        votes: Config of the position features of the centre.
        pointwise: Config of the point-wise head.
        class_channels: Channels that the class probabilities are embedded in.
        loss_weight: Factor of the losses of the point-wise head.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        position: dict,
        votes: dict,
        pointwise: dict,
        class_channels: int = 32,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(in_channels=in_channels, position=position)
        self.votes = MODELS.build(votes)
        self.pointwise = MODELS.build(pointwise)
        self.loss_weight = loss_weight
        kinds = self.num_classes + self.pointwise.num_stuff
        self.class_embedding = nn.Linear(kinds, class_channels, bias=False)
        # With enough channels, probabilities keep their lengths and angles.
        nn.init.orthogonal_(self.class_embedding.weight)
        self.num_channels += self.votes.num_channels + class_channels

    @property
    def num_classes(self) -> int:
        """K."""
        return self.pointwise.num_classes

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Layers whose size depends on the classes."""
        return (f'pointwise.semantic.{len(self.pointwise.semantic) - 1}', 'class_embedding')

    def forward(self, batch: SceneBatch) -> RowFeatures:
        """Describe the rows of a batch."""
        places = [row_places(batch, b) for b in range(batch.num_scenes)]
        with without_autocast(batch.rows[0].features):
            outputs = self.pointwise(
                _like(self.pointwise, torch.cat([rows.features for rows in batch.rows]))
            )
        sizes = [len(place) for place in places]
        offsets = outputs.offsets.detach().split(sizes)
        centers = [place + offset for place, offset in zip(places, offsets)]
        features = [
            JoinedRows(
                (rows.features, _as_they_are),
                (place, self.position.parts),
                (center, self.votes.parts),
                (logits, self._describe_classes),
            )
            for rows, place, center, logits in zip(
                batch.rows, places, centers, outputs.logits.detach().split(sizes)
            )
        ]
        return RowFeatures(features, places, centers, outputs)

    def _describe_classes(self, logits: Tensor) -> tuple[Tensor]:
        """Embed the class probabilities of rows."""
        with without_autocast(logits):
            return (self.class_embedding(_like(self.class_embedding, logits.softmax(1))),)

    def loss(self, rows: RowFeatures, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of the point-wise head; see ``PointwiseHead.loss``."""
        points = PackedPoints.pack(batch.rows, batch.coords)
        losses = self.pointwise.loss(
            rows.pointwise, points, PackedTargets.pack(batch.point_targets())
        )
        return {name: self.loss_weight * value for name, value in losses.items()}


def row_places(batch: SceneBatch, b: int) -> Tensor:
    """Return the place of each row of a scene, ``(R, 3)`` metres from the mean of its points.

    The place is the mean of all points of the row's voxel, in the coordinates that the network
    receives. Rows of different parts that are the same voxel of the scene have the same place, so
    it does not depend on the test strategy.

    Args:
        batch: The batch.
        b: Index of the scene.

    Raises:
        ValueError: The scene has no voxel tables.
    """
    tables, rows = voxel_tables_of(batch.samples[b]), batch.rows[b]
    coords = batch.coords[b] - batch.coords[b].mean(0)
    centers = segment_mean(coords, tables.point2voxel, tables.counts)
    places = centers.new_zeros(len(rows.counts), 3)
    # All points of a row write the same values, whatever their order.
    places[rows.point2row] = centers[tables.point2voxel]
    return places


def _as_they_are(features: Tensor) -> tuple[Tensor]:
    """Describe rows by features that they already have."""
    return (features,)


def _like(module: nn.Module, tensor: Tensor) -> Tensor:
    """Cast to the dtype of a module's parameters; under autocast a tensor may be narrower."""
    return tensor.to(next(module.parameters()).dtype)
