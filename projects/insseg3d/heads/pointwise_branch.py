# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Auxiliary branch that supervises every point, for any model."""

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..structures import SceneBatch
from .pointwise_head import PackedPoints, PackedTargets, PointwiseOutputs


@MODELS.register_module()
class PointwiseBranch(BaseModule):
    """Supervise class and offset of each point, in addition to the losses of the head.

    Use it in ``InstanceSegmentor3D(auxiliary=[…])``. A test does not call it.

    Args:
        pointwise: Config of the point-wise head.
        loss_weight: Factor of the losses.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self, *, pointwise: dict, loss_weight: float = 1.0, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.pointwise = MODELS.build(pointwise)
        self.loss_weight = loss_weight

    @property
    def num_classes(self) -> int:
        """K."""
        return self.pointwise.num_classes

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Layers whose size depends on the classes."""
        return (f'pointwise.semantic.{len(self.pointwise.semantic) - 1}',)

    def outputs(self, batch: SceneBatch) -> tuple[PackedPoints, PointwiseOutputs]:
        """Pack the scenes of a batch and compute class and offset of their points."""
        points = PackedPoints.pack(batch.rows, batch.coords)
        return points, self.pointwise(points.features)

    def loss(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of a batch; see :meth:`PointwiseHead.loss`."""
        points, outputs = self.outputs(batch)
        losses = self.pointwise.loss(outputs, points, PackedTargets.pack(batch.point_targets()))
        return {name: self.loss_weight * value for name, value in losses.items()}
