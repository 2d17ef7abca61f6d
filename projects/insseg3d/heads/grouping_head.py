# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Base class of the heads that group points into proposals and judge them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS, TASK_UTILS
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ..ops.grouping.clusters import Proposals, choose_at_random, join_proposals, no_proposals
from ..structures import SceneBatch
from .class_settings import check_class_numbers, check_class_table
from .pointwise_head import PackedPoints, PackedTargets, PointwiseOutputs
from .proposal_net import ProposalVoxels
from .ranking import ProposalMasks


class GroupingInput(NamedTuple):
    """Input of a grouping strategy.

    Attributes:
        points: Points of one or several scenes, which are grouped separately.
        logits: ``(R, K + S)`` semantic logits; one row can represent several points.
        shifted: ``(P, 3)`` metres, coordinates plus the predicted offsets.
        is_object: ``(K + S,)`` bool, the classes that are grouped.
    """

    points: PackedPoints
    logits: Tensor
    shifted: Tensor
    is_object: Tensor

    def object_points(self) -> tuple[Tensor, Tensor, Tensor]:
        """Select the points whose most probable class is grouped.

        Returns:
            Three ``(E,)``: the numbers of the points, their classes, and the numbers of their
            groups. Each class of each scene is one group.
        """
        labels = self.logits.argmax(1)[self.points.point2row]
        chosen = self.is_object[labels].nonzero()[:, 0]
        labels = labels[chosen]
        return chosen, labels, self.points.scene[chosen] * self.logits.shape[1] + labels


class GroupingHead(BaseModule):
    """Predict class and offset per point, group points into proposals, judge the proposals.

    A subclass defines ``proposal_loss`` and ``judge``.

    Args:
        num_classes: K.
        in_channels: C of the finest backbone level.
        pointwise: Config of the point-wise head, without the two above.
        grouping: Config of the strategy, called as ``grouping(inputs, training=…)``; it returns
            proposals. Its ``class_tables`` lists the settings that have an entry per class, if
            there are any.
        proposal_net: Config of the network over proposals.
        ranking: Config of the ranking.
        prepare_iters: Number of initial training iterations without proposals; until then the
            losses of their parts are 0.
        max_proposals: Maximum number of proposals in training, per scene of the batch. If there
            are more, a random subset is used.
        whole_classes: Classes whose points in a scene form one object with score 1, without
            grouping. Source: SoftGroup, ceiling and floor of S3DIS.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: A setting per class has another length than ``num_classes``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        pointwise: dict,
        grouping: dict,
        proposal_net: dict,
        ranking: dict,
        prepare_iters: int = 0,
        max_proposals: int = 50,
        whole_classes: Sequence[int] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.pointwise = MODELS.build(
            dict(pointwise, num_classes=num_classes, in_channels=in_channels)
        )
        self.grouping = TASK_UTILS.build(grouping)
        self.proposal_net = MODELS.build(proposal_net)
        self.ranking = TASK_UTILS.build(ranking)
        self.prepare_iters, self.max_proposals = prepare_iters, max_proposals
        self.whole_classes = tuple(whole_classes)
        check_class_numbers('decode_head.whole_classes', self.whole_classes, num_classes)
        for name in getattr(self.grouping, 'class_tables', ()):
            check_class_table(
                f'decode_head.grouping.{name}',
                getattr(self.grouping, name),
                num_classes,
                expected=num_classes,
                remedy=(
                    'A table of other data does not fit: tools/check_dataset.py CONFIG writes that '
                    'of the config\'s data into class_statistics.json, under "tables"; -1 where a '
                    'class is not known'
                ),
            )
        is_object = torch.zeros(num_classes + self.pointwise.num_stuff, dtype=torch.bool)
        is_object[[k for k in range(num_classes) if k not in self.whole_classes]] = True
        self.register_buffer('is_object', is_object, persistent=False)

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Layers whose size depends on the classes."""
        return (f'pointwise.semantic.{len(self.pointwise.semantic) - 1}',)

    def forward(self, batch: SceneBatch) -> tuple[PackedPoints, PointwiseOutputs]:
        """Pack the scenes of a batch and compute class and offset of their points."""
        points = PackedPoints.pack(batch.rows, batch.coords)
        return points, self.pointwise(points.features)

    def loss(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Random numbers depend only on ``batch.iteration``, so a resumed training draws the same.
        """
        points, outputs = self(batch)
        truth = PackedTargets.pack(batch.point_targets())
        losses = self.pointwise.loss(outputs, points, truth)
        generator = torch.Generator().manual_seed(batch.iteration)
        if batch.iteration < self.prepare_iters:
            proposals = no_proposals(points.point2row.device)
        else:
            proposals = choose_at_random(
                self.group(points, outputs), self.max_proposals * points.num_scenes, generator
            )
        place = torch.rand(3, generator=generator).to(points.coords)
        proposal_voxels = self.proposal_net(points, proposals, place)
        losses.update(self.proposal_loss(proposals, proposal_voxels, truth, batch.iteration))
        return losses

    def predict(self, batch: SceneBatch) -> list[InstanceData]:
        """Find the objects of each scene.

        Returns:
            The instances of the ranking. Their metainfo has ``pts_semantic_mask (P,)``, the class
            of each point, numbered as in ``PointTargets``.
        """
        results = []
        for rows, coords in zip(batch.rows, batch.coords):
            points = PackedPoints.pack([rows], [coords])
            outputs = self.pointwise(points.features)
            labels = outputs.logits.argmax(1)[points.point2row]
            found = [self.masks(points, self.group(points, outputs), labels)]
            found += [_whole(labels, number) for number in self.whole_classes]
            proposals, classes, scores = zip(*found)
            instances = self.ranking(
                ProposalMasks(join_proposals(proposals), len(labels)),
                torch.cat(classes),
                torch.cat(scores),
            )
            semantic = labels + (labels >= self.num_classes)
            instances.set_metainfo(dict(pts_semantic_mask=semantic))
            results.append(instances)
        return results

    @torch.no_grad()
    def group(self, points: PackedPoints, outputs: PointwiseOutputs) -> Proposals:
        """Group points by their classes and offsets."""
        coords = points.coords.to(outputs.offsets.dtype)
        shifted = coords + outputs.offsets.index_select(0, points.point2row)
        return self.grouping(
            GroupingInput(points, outputs.logits, shifted, self.is_object), training=self.training
        )

    def masks(
        self, points: PackedPoints, proposals: Proposals, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Judge the proposals of a scene.

        Args:
            points: Points of one scene.
            proposals: Sets of these points.
            labels: ``(P,)`` most probable semantic class of each point.

        Returns:
            The resulting proposals, their classes and their scores.
        """
        return self.judge(proposals, self.proposal_net(points, proposals), labels)

    def proposal_loss(
        self,
        proposals: Proposals,
        proposal_voxels: ProposalVoxels,
        targets: PackedTargets,
        iteration: int,
    ) -> dict[str, Tensor]:
        """Compute the losses of the parts that judge proposals.

        Without proposals they are 0, but still connected to the parameters of these parts.
        """
        raise NotImplementedError

    def judge(
        self, proposals: Proposals, proposal_voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Return the resulting proposals, their classes ``(N',)`` and their scores ``(N',)``.

        Args:
            proposals: N sets of points.
            proposal_voxels: Their voxels and features.
            labels: ``(P,)`` most probable semantic class of each point.
        """
        raise NotImplementedError


def _whole(labels: Tensor, number: int) -> tuple[Proposals, Tensor, Tensor]:
    """Make one object of all points of a class, none if there are no points."""
    members = (labels == number).nonzero()[:, 0]
    some = members.new_full((min(len(members), 1),), len(members))
    return (
        Proposals(members, torch.zeros_like(members), some),
        torch.full_like(some, number),
        torch.ones_like(some, dtype=torch.float32),
    )
