# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What the heads share that group points into proposals and judge these."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS, TASK_UTILS
from mmdet3d.structures import PointData
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ..ops.grouping.clusters import Proposals, choose_at_random, join_proposals, no_proposals
from ..structures import PointTargets, SceneRows
from .class_settings import OTHER_CLASSES, check_class_numbers, check_class_table
from .pointwise_head import PackedPoints, PackedTargets, PointwiseOutputs
from .proposal_net import ProposalVoxels


class GroupingInput(NamedTuple):
    """What a grouping strategy is given.

    Attributes:
        points: Of one scene or several, which are never mixed.
        logits: ``(R, K + S)`` semantic, a row for several points.
        shifted: ``(P, 3)`` coordinates with the predicted offsets, metres.
        is_object: ``(K + S,)`` bool, which classes are grouped.
    """

    points: PackedPoints
    logits: Tensor
    shifted: Tensor
    is_object: Tensor

    def object_points(self) -> tuple[Tensor, Tensor, Tensor]:
        """The points whose likeliest class is grouped.

        Returns:
            ``(E,)`` their numbers, ``(E,)`` their classes, and ``(E,)`` numbers of groups, one for
            each class of each scene.
        """
        labels = self.logits.argmax(1)[self.points.point2row]
        chosen = self.is_object[labels].nonzero()[:, 0]
        labels = labels[chosen]
        return chosen, labels, self.points.scene[chosen] * self.logits.shape[1] + labels


class GroupingHead(BaseModule):
    """Class and offset of each point; points grouped into proposals; proposals judged.

    A subclass has ``proposal_loss(proposals, voxels, targets, iteration)``, a dict of losses that
    are 0 and still connected to their parameters where there is no proposal, and
    ``judge(proposals, voxels, labels)``, which gives the proposals that come out, ``(N',)``
    their classes and ``(N',)`` scores.

    Args:
        num_classes: K.
        in_channels: C of the finest backbone level.
        pointwise: Config of the point-wise head, but for the two above.
        grouping: Config of the strategy: ``grouping(inputs, training=…)`` gives proposals. One with
            an entry for each class in some of its settings names these in ``class_tables``.
        proposal_net: Config of the network over proposals.
        ranking: Config of the ranking.
        prepare_iters: First iterations of a training, without proposals: their parts have losses
            of 0 until then.
        max_proposals: Most proposals in training, times scenes; of more, so many at random.
        whole_classes: Classes of which a scene has one object, all points of the class, with
            score 1; they are not grouped. Source: SoftGroup, ceiling and floor of S3DIS.
        init_cfg: As in mmengine.

    Raises:
        ValueError: a setting per class has another length than ``num_classes``.
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

    def forward(
        self, scenes: Sequence[SceneRows], coords: Sequence[Tensor]
    ) -> tuple[PackedPoints, PointwiseOutputs]:
        """Pack scenes and say class and offset of their points.

        Args:
            scenes: Rows of features of each scene, and the points that they stand for.
            coords: ``(P, 3)`` metres, as the network saw them, of each.
        """
        points = PackedPoints.pack(scenes, coords)
        return points, self.pointwise(points.features)

    def loss(
        self,
        scenes: Sequence[SceneRows],
        coords: Sequence[Tensor],
        targets: Sequence[PointTargets],
        iteration: int,
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            scenes: As of ``forward``, as is ``coords``.
            targets: Ground truth of each scene.
            iteration: How many the training has behind it. What is drawn at random depends on it
                alone, so that a resumed training draws the same.
        """
        points, outputs = self(scenes, coords)
        truth = PackedTargets.pack(targets)
        losses = self.pointwise.loss(outputs, points, truth)
        generator = torch.Generator().manual_seed(iteration)
        if iteration < self.prepare_iters:
            proposals = no_proposals(points.point2row.device)
        else:
            proposals = choose_at_random(
                self.group(points, outputs), self.max_proposals * points.num_scenes, generator
            )
        place = torch.rand(3, generator=generator).to(points.coords)
        voxels = self.proposal_net(points, proposals, place)
        losses.update(self.proposal_loss(proposals, voxels, truth, iteration))
        return losses

    def predict(
        self, scenes: Sequence[SceneRows], coords: Sequence[Tensor]
    ) -> list[tuple[InstanceData, PointData]]:
        """Find the objects of each scene; arguments as of ``forward``.

        Returns:
            What the ranking gives; the map also holds ``pts_semantic_mask (P,)``, numbered as in
            ``PointTargets``.
        """
        results = []
        for rows, place in zip(scenes, coords):
            points, outputs = self([rows], [place])
            labels = outputs.logits.argmax(1)[points.point2row]
            found = [self.masks(points, self.group(points, outputs), labels)]
            found += [_whole(labels, number) for number in self.whole_classes]
            proposals, classes, scores = zip(*found)
            instances, point_map = self.ranking(
                join_proposals(proposals), torch.cat(classes), torch.cat(scores), len(labels)
            )
            point_map.pts_semantic_mask = labels + (labels >= self.num_classes)
            results.append((instances, point_map))
        return results

    @torch.no_grad()
    def group(self, points: PackedPoints, outputs: PointwiseOutputs) -> Proposals:
        """Group points by what is said of them."""
        coords = points.coords.to(outputs.offsets.dtype)
        shifted = coords + outputs.offsets.index_select(0, points.point2row)
        return self.grouping(
            GroupingInput(points, outputs.logits, shifted, self.is_object), training=self.training
        )

    def masks(
        self, points: PackedPoints, proposals: Proposals, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Describe and judge the proposals of a scene.

        Args:
            points: Of one scene.
            proposals: Sets of them.
            labels: ``(P,)`` likeliest semantic class of each point.

        Returns:
            The proposals that come out, their classes and their scores.
        """
        voxels = self.proposal_net(points, proposals)
        return self.judge(proposals, voxels, labels)

    def proposal_loss(
        self, proposals: Proposals, voxels: ProposalVoxels, targets: PackedTargets, iteration: int
    ) -> dict[str, Tensor]:
        """Losses of the parts that judge proposals."""
        raise NotImplementedError

    def judge(
        self, proposals: Proposals, voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """The proposals that come out, their classes and their scores."""
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        """Refuse a checkpoint of another label set: strict=False would train on in silence."""
        name = f'{prefix}{self.class_layers[0]}.bias'
        found = state_dict.get(name)
        if found is not None and len(found) != len(self.is_object):
            raise RuntimeError(
                f'{name}: the checkpoint has {len(found)} semantic classes, the config '
                f'{len(self.is_object)} (num_classes={self.num_classes} and '
                f'num_stuff={self.pointwise.num_stuff}). {OTHER_CLASSES}'
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _whole(labels: Tensor, number: int) -> tuple[Proposals, Tensor, Tensor]:
    """All points of a class as one object, or none without points."""
    members = (labels == number).nonzero()[:, 0]
    some = members.new_full((min(len(members), 1),), len(members))
    return (
        Proposals(members, torch.zeros_like(members), some),
        torch.full_like(some, number),
        torch.ones_like(some, dtype=torch.float32),
    )
