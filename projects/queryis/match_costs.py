# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Costs of matching a query with an object. They are registered and combined in the config.

A cost maps one scene's :class:`SceneMatching` to a ``(G, Q)`` block. The corresponding losses are
in ``mask_losses.py``: a cost is computed for all pairs without gradients, a loss for the matched
pairs with gradients.
"""

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from insseg3d.ops.masks import pairwise_bce_cost, pairwise_dice_cost

from .matching import SceneMatching


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
    Deviation: see ``insseg3d.ops.masks.pairwise_dice_cost``.

    Args:
        weight: Factor of the cost.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, scene: SceneMatching) -> Tensor:
        return self.weight * pairwise_dice_cost(scene.sums)


@TASK_UTILS.register_module()
class DenseMatchCost:
    """Adapt a match cost of mmdet, or your own cost with the same interface.

    Such a cost is called with two ``InstanceData``: ``scores`` (class logits ``(Q, K + 1)``) of the
    queries, ``labels`` ``(G,)`` of the objects, and ``masks`` of both if ``needs_masks``. It
    returns ``(Q, G)``. Dense masks are copied to the host once per layer and scene. If a cost can
    be computed from :class:`MaskSums`, write it without this adapter, like the others here.

    Args:
        cost: Config of the cost, for example ``dict(type='mmdet.DiceCost', weight=5.0)``.
        needs_masks: Whether the cost reads masks, logits ``(Q, V)`` and shares ``(G, V)`` in
            [0, 1]. They are per voxel, not weighted by points.

    Raises:
        ValueError: In the call, if the cost reads masks and ``SceneMatching.dense`` is None.
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
                    'has none: pass SceneMatching(dense=...).'
                )
            pred.masks, gt.masks = scene.dense()
        return self.cost(pred, gt).T.to(scene.class_logits.dtype)


def total_cost(costs: list, scene: SceneMatching) -> Tensor:
    """Add up the costs, ``(G, Q)``.

    A diverging model must not stop the solver, so entries that are not finite become large numbers.
    """
    block = torch.stack([cost(scene) for cost in costs]).sum(0)
    return torch.nan_to_num(block, nan=1e6, posinf=1e6, neginf=1e6)
