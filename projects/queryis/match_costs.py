# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What it costs to match a query with an object: registered parts, mixed in the config.

A cost maps one scene's ``SceneMatching`` to a ``(G, Q)`` block. Losses have other names and live
in ``mask_losses.py``: a pairwise cost needs all pairs and no gradient, a loss the opposite.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from insseg3d.ops.masks import MaskSums, pairwise_bce_cost, pairwise_dice_cost


class SceneMatching(NamedTuple):
    """All that a cost may look at, for one scene and one decoder layer, on the host.

    Attributes:
        class_logits: ``(Q, K + 1)``, the last column is "no object".
        labels: ``(G,)`` int64 class of each object.
        sums: Sums of the masks over the objects.
        dense: Gives mask logits ``(Q, V)`` and ground truth ``(G, V)`` (share of a voxel's points
            that belong to the object); only costs that cannot work on sums ask for it.
    """

    class_logits: Tensor
    labels: Tensor
    sums: MaskSums
    dense: Callable[[], tuple[Tensor, Tensor]] | None = None


@TASK_UTILS.register_module()
class QueryClassCost:
    """Minus the probability of the object's class.

    Source: 3D-QueryIS, Eq. 5, first term.

    Args:
        weight: Factor of the cost.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, scene: SceneMatching) -> Tensor:
        probs = scene.class_logits.softmax(-1)
        return -self.weight * probs[:, scene.labels].T


@TASK_UTILS.register_module()
class MaskBCECost:
    """Mean binary cross entropy between the query's mask and the object.

    Source: 3D-QueryIS, Eq. 6.

    Args:
        weight: Factor of the cost.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, scene: SceneMatching) -> Tensor:
        return self.weight * pairwise_bce_cost(scene.sums)


@TASK_UTILS.register_module()
class MaskDiceCost:
    """Dice distance between the query's mask and the object.

    Source: 3D-QueryIS, Eq. 6.
    Deviation: as of ``insseg3d.ops.masks.pairwise_dice_cost``.

    Args:
        weight: Factor of the cost.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, scene: SceneMatching) -> Tensor:
        return self.weight * pairwise_dice_cost(scene.sums)


@TASK_UTILS.register_module()
class DenseMatchCost:
    """Lets one of mmdet's match costs serve here.

    mmdet's costs read ``scores`` (class logits), ``masks`` and ``labels`` of ``InstanceData``.
    Masks travel only if the cost asks for them, since the dense block costs a copy per layer.

    Args:
        cost: Config of the cost, for example ``dict(type='mmdet.DiceCost', weight=5.0)``.
        needs_masks: Whether the cost reads masks. They are per voxel, not weighted with points.
    """

    def __init__(self, *, cost: dict, needs_masks: bool = False) -> None:
        self.cost = TASK_UTILS.build(cost)
        self.needs_masks = needs_masks

    def __call__(self, scene: SceneMatching) -> Tensor:
        pred = InstanceData(scores=scene.class_logits)
        gt = InstanceData(labels=scene.labels)
        if self.needs_masks:
            if scene.dense is None:
                raise ValueError(
                    f'{type(self.cost).__name__} reads dense masks, but the matching of this scene '
                    'carries none: pass SceneMatching(dense=...).'
                )
            pred.masks, gt.masks = scene.dense()
        return self.cost(pred, gt).T.to(scene.class_logits.dtype)


def total_cost(costs: list, scene: SceneMatching) -> Tensor:
    """Add up the costs: ``(G, Q)``, finite.

    A diverging model must not stop the solver: what is not finite becomes a large number.
    """
    block = torch.stack([cost(scene) for cost in costs]).sum(0)
    return torch.nan_to_num(block, nan=1e6, posinf=1e6, neginf=1e6)
