# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Losses of predictions that are matched with objects, for every supervised decoder layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet.models.losses import CrossEntropyLoss
from mmdet.utils import reduce_mean
from mmdet3d.registry import MODELS, TASK_UTILS
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.heads import check_class_table
from insseg3d.ops.masks import object_points
from insseg3d.structures import SceneTargets

from .matching import QueryOutputs, matching_of, to_host

Pairs = Mapping[tuple[int, int], tuple[Tensor, Tensor]]
"""Queries and objects of the pairs, by decoder layer and scene."""


class MatchedLosses(BaseModule):
    """Match queries with objects, and compute the losses of classes and matched masks.

    Source: 3D-QueryIS, Sec. 3.4 and 3.5.

    Args:
        num_classes: K.
        assigner: Config of the assigner.
        loss_cls: Config of the class loss, with mmdet's interface: (logits, labels, avg_factor).
        mask_losses: Config of each loss on a matched mask, by name.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: ``class_weight`` of the class loss has another length than K + 1.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        assigner: dict,
        loss_cls: dict,
        mask_losses: dict[str, dict],
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.assigner = TASK_UTILS.build(assigner)
        self._build_class_loss(loss_cls)
        self.mask_losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in mask_losses.items()}
        )

    def _build_class_loss(self, config: dict) -> None:
        """Build the class loss; keep its weights as a buffer.

        In each call, mmdet's loss makes a tensor of weights in a list and waits for its copy to the
        device. To avoid this, it is called with the weight of each query instead.
        """
        self.loss_cls = MODELS.build(config)
        weights = getattr(self.loss_cls, 'class_weight', None)
        if weights is None:
            weights = [1.0] * (self.num_classes + 1)
        check_class_table(
            'decode_head.loss_cls.class_weight',
            weights,
            self.num_classes,
            expected=self.num_classes + 1,
            remedy=f'Set class_weight=[1.0] * {self.num_classes} + [0.1], or other '
            f'{self.num_classes + 1}',
        )
        self.register_buffer(
            'class_weight', torch.tensor(weights, dtype=torch.float32), persistent=False
        )
        self.weighs_queries = type(self.loss_cls) is CrossEntropyLoss and not (
            self.loss_cls.use_sigmoid or self.loss_cls.use_mask
        )
        if self.weighs_queries:
            self.loss_cls.class_weight = None

    @torch.no_grad()
    def match(
        self, outputs: QueryOutputs, targets: Sequence[SceneTargets], layers: Sequence[int]
    ) -> Pairs:
        """Match the queries of some decoder layers with objects.

        Args:
            outputs: Raw outputs, float32 or wider.
            targets: Ground truth of each scene.
            layers: The layers.
        """
        keys = [(layer, b) for layer in layers for b in range(len(targets))]
        # One copy to the host for all layers and scenes.
        scenes = to_host([matching_of(outputs, layer, b, targets[b]) for layer, b in keys])
        device = outputs.mask_features[0].device
        return {
            key: tuple(part.to(device) for part in self.assigner.assign(scene))
            for key, scene in zip(keys, scenes)
        }

    def matched_losses(
        self,
        outputs: QueryOutputs,
        targets: Sequence[SceneTargets],
        matches: Pairs,
        *,
        judged: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of the matched layers.

        Args:
            outputs: Raw outputs, float32 or wider.
            targets: Ground truth of each scene.
            matches: The pairs of each layer and scene.
            judged: Per scene, numbers of the queries that have a class loss; None for all.

        Returns:
            ``loss_cls``, and ``loss_<name>`` of each mask loss. Those of layers before the last
            output have the prefix ``d<layer>.``.
        """
        losses, last = {}, len(outputs.class_logits) - 1
        for layer, num_masks in _average_factors(matches, outputs.mask_features[0].device).items():
            prefix = '' if layer == last else f'd{layer}.'
            pairs = [matches[layer, b] for b in range(len(targets))]
            terms = self._layer_loss(outputs, layer, targets, pairs, num_masks, judged)
            losses |= {prefix + name: value for name, value in terms.items()}
        return losses

    def _layer_loss(
        self,
        outputs: QueryOutputs,
        layer: int,
        targets: Sequence[SceneTargets],
        pairs: Sequence[tuple[Tensor, Tensor]],
        num_masks: Tensor,
        judged: Sequence[Tensor] | None,
    ) -> dict[str, Tensor]:
        """Compute the losses of one decoder layer over the batch."""
        logits_of_classes, labels = [], []
        sums = dict.fromkeys(self.mask_losses, 0.0)
        for b, (scene, (queries, objects)) in enumerate(zip(targets, pairs)):
            of_scene = outputs.class_logits[layer][b]
            known = self._query_labels(of_scene, scene, (queries, objects))
            some = slice(None) if judged is None else judged[b]
            logits_of_classes.append(of_scene[some])
            labels.append(known[some])
            # Only matched masks are computed with gradients. Without objects the matrix is empty,
            # and the loss is 0 but still connected to every parameter.
            embeddings = outputs.mask_embeddings[layer][b][queries]
            logits = outputs.mask_features[b] @ embeddings.T
            inside = object_points(scene, objects, logits.dtype)
            for name, loss in self.mask_losses.items():
                sums[name] = sums[name] + loss(logits, inside, scene.counts).sum()
        losses = {'loss_cls': self._class_loss(torch.cat(logits_of_classes), torch.cat(labels))}
        losses |= {f'loss_{name}': total / num_masks for name, total in sums.items()}
        return losses

    def _query_labels(self, logits: Tensor, scene: SceneTargets, pairs: Sequence[Tensor]) -> Tensor:
        """Return the class of each query's object ``(Q,)``, K for "no object"."""
        queries, objects = pairs
        labels = torch.full((len(logits),), self.num_classes, device=logits.device)
        labels[queries] = scene.labels[objects]
        return labels

    def _class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the weighted mean over all queries of all processes."""
        weight = self.class_weight[labels].to(logits.dtype)
        average = reduce_mean(weight.sum())
        if self.weighs_queries:
            return self.loss_cls(logits, labels, weight, avg_factor=average)
        return self.loss_cls(logits, labels, avg_factor=average)


def _average_factors(matches: Pairs, device: torch.device) -> dict[int, Tensor]:
    """Count the pairs of each layer, over all processes, divided by their number.

    An assigner may match an object with several queries, or with none. A process without pairs
    contributes 0; only the sum is kept from being 0.
    """
    counts = {}
    for (layer, _), (queries, _) in matches.items():
        counts[layer] = counts.get(layer, 0.0) + len(queries)
    total = reduce_mean(torch.tensor(list(counts.values()), device=device))
    return dict(zip(counts, total.clamp(min=1 / get_world_size())))
