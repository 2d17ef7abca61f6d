# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predict the class and mask of each query, compute the losses and rank the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet.models.losses import CrossEntropyLoss
from mmdet.utils import reduce_mean
from mmdet3d.registry import MODELS, TASK_UTILS
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from insseg3d.heads import RowMasks, check_class_table, refuse_other_classes
from insseg3d.ops.masks import BinaryMasks, binary_masks, object_points
from insseg3d.ops.precision import without_autocast
from insseg3d.structures import SceneBatch, SceneRows, SceneTargets

from .matching import QueryOutputs, matching_of, to_host


@MODELS.register_module()
class QueryISHead(BaseModule):
    """Decode queries, predict class and mask of each, match them with objects, rank them.

    Under autocast, the decoder computes in half precision. Everything after it is computed in the
    dtype of the parameters with autocast off, because it consists of sums: masks are sums over
    channels; matching, losses and scores are sums over the points of a scene.

    Source: 3D-QueryIS, Sec. 3.3 to 3.5.
    Deviation: if ``in_channels`` differs from ``embed_dims``, a linear layer projects the point
    features to the width of the queries. The losses also supervise earlier decoder layers.

    Args:
        num_classes: K.
        in_channels: Channels of the finest backbone level.
        embed_dims: C of the queries.
        decoder: Config of the query decoder.
        assigner: Config of the assigner.
        loss_cls: Config of the class loss, with mmdet's interface: (logits, labels, avg_factor).
        mask_losses: Config of each loss on a matched mask, by name.
        ranking: Config of the ranking, called as ``ranking(RowMasks, class_logits (Q, K + 1))``.
        supervised_layers: Decoder layers with losses, counted from 0, including the last. None
            for all.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: ``class_weight`` of the class loss has another length than K + 1, or
            ``supervised_layers`` are not layers of the decoder with the last among them.
    """

    class_layers = ('classifier',)

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        embed_dims: int,
        decoder: dict,
        assigner: dict,
        loss_cls: dict,
        mask_losses: dict[str, dict],
        ranking: dict,
        supervised_layers: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.decoder = MODELS.build(decoder)
        self.last_layer = len(self.decoder.layers) - 1
        self.supervised_layers = _check_layers(supervised_layers, len(self.decoder.layers))
        self.point_projection = (
            nn.Identity() if in_channels == embed_dims else nn.Linear(in_channels, embed_dims)
        )
        self.query_norm = nn.LayerNorm(embed_dims)
        self.classifier = nn.Linear(embed_dims, num_classes + 1)
        self.mask_embedding = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
        )
        self.assigner = TASK_UTILS.build(assigner)
        self._build_class_loss(loss_cls)
        self.mask_losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in mask_losses.items()}
        )
        self.ranking = TASK_UTILS.build(ranking)

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

    def forward(self, batch: SceneBatch) -> QueryOutputs:
        """Compute the raw outputs of a batch."""
        class_logits, mask_embeddings = self.decode(batch)
        with without_autocast(batch.memory):
            mask_features = [self._mask_features(rows.features) for rows in batch.rows]
        return QueryOutputs(class_logits, mask_embeddings, mask_features)

    def decode(self, batch: SceneBatch) -> tuple[list[Tensor], list[Tensor]]:
        """Compute class logits and mask embeddings of every decoder layer; see QueryOutputs."""
        layers = self.decoder(batch)
        with without_autocast(batch.memory):
            layers = [self.query_norm(self._widened(queries)) for queries in layers]
            return (
                [self.classifier(queries) for queries in layers],
                [self.mask_embedding(queries) for queries in layers],
            )

    def masks(self, embeddings: Tensor, rows: SceneRows) -> BinaryMasks:
        """Make the masks of one scene.

        Args:
            embeddings: ``(Q, C)`` mask embeddings.
            rows: Rows over which the masks are made.
        """

        def logits_of(some: slice) -> Tensor:
            return _full_precision(self._mask_features(rows.features[some])) @ embeddings.T

        return binary_masks(logits_of, rows.counts)  # switches autocast off

    def _mask_features(self, features: Tensor) -> Tensor:
        """Project features ``(R, in_channels)`` to mask features ``(R, C)``."""
        return self.point_projection(self._widened(features))

    def _widened(self, tensor: Tensor) -> Tensor:
        """Cast to the dtype of the parameters; under autocast a tensor may be narrower."""
        return tensor.to(self.classifier.weight.dtype)

    def loss(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of every supervised layer.

        Returns:
            ``loss_cls``, and ``loss_<name>`` of each mask loss. Those of earlier layers have the
            prefix ``d<layer>.``.
        """
        targets = batch.voxel_targets()
        outputs = QueryOutputs(*([_full_precision(x) for x in column] for column in self(batch)))
        losses = {}
        with without_autocast(batch.memory):
            matches = self._match(outputs, targets)
            for layer, num_masks in self._average_factors(matches, batch.memory.device).items():
                prefix = '' if layer == self.last_layer else f'd{layer}.'
                pairs = [matches[layer, b] for b in range(len(targets))]
                terms = self._layer_loss(outputs, layer, targets, pairs, num_masks)
                losses |= {prefix + name: value for name, value in terms.items()}
        return losses

    def predict(self, batch: SceneBatch) -> list[InstanceData]:
        """Rank the queries of the last layer over the points of each scene."""
        class_logits, embeddings = (_full_precision(layers[-1]) for layers in self.decode(batch))
        with without_autocast(batch.memory):
            return [
                self.ranking(
                    RowMasks(self.masks(embeddings[b], rows), rows.point2row), class_logits[b]
                )
                for b, rows in enumerate(batch.rows)
            ]

    @torch.no_grad()
    def _match(
        self, outputs: QueryOutputs, targets: Sequence[SceneTargets]
    ) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        """Match queries with objects.

        Returns:
            Queries and objects of the pairs, by supervised layer and scene.
        """
        keys = [(layer, b) for layer in self.supervised_layers for b in range(len(targets))]
        # One copy to the host for all layers and scenes.
        scenes = to_host([matching_of(outputs, layer, b, targets[b]) for layer, b in keys])
        device = outputs.mask_features[0].device
        return {
            key: tuple(part.to(device) for part in self.assigner.assign(scene))
            for key, scene in zip(keys, scenes)
        }

    def _average_factors(
        self, matches: Mapping[tuple[int, int], tuple[Tensor, Tensor]], device: torch.device
    ) -> dict[int, Tensor]:
        """Count the pairs of each supervised layer, over all processes, divided by their number.

        An assigner may match an object with several queries, or with none. A process without pairs
        contributes 0; only the sum is kept from being 0.
        """
        counts = dict.fromkeys(self.supervised_layers, 0.0)
        for (layer, _), (queries, _) in matches.items():
            counts[layer] += len(queries)
        total = reduce_mean(torch.tensor(list(counts.values()), device=device))
        return dict(zip(counts, total.clamp(min=1 / get_world_size())))

    def _layer_loss(
        self,
        outputs: QueryOutputs,
        layer: int,
        targets: Sequence[SceneTargets],
        pairs: Sequence[tuple[Tensor, Tensor]],
        num_masks: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the losses of one decoder layer over the batch."""
        labels = []
        sums = dict.fromkeys(self.mask_losses, 0.0)
        for b, (scene, (queries, objects)) in enumerate(zip(targets, pairs)):
            labels.append(
                self._query_labels(outputs.class_logits[layer][b], scene, (queries, objects))
            )
            # Only matched masks are computed with gradients. Without objects the matrix is empty,
            # and the loss is 0 but still connected to every parameter.
            embeddings = outputs.mask_embeddings[layer][b][queries]
            logits = outputs.mask_features[b] @ embeddings.T
            inside = object_points(scene, objects, logits.dtype)
            for name, loss in self.mask_losses.items():
                sums[name] = sums[name] + loss(logits, inside, scene.counts).sum()
        losses = {'loss_cls': self._class_loss(outputs.class_logits[layer], torch.stack(labels))}
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
        logits, labels = logits.flatten(0, 1), labels.flatten()
        weight = self.class_weight[labels].to(logits.dtype)
        average = reduce_mean(weight.sum())
        if self.weighs_queries:
            return self.loss_cls(logits, labels, weight, avg_factor=average)
        return self.loss_cls(logits, labels, avg_factor=average)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        """Reject a checkpoint of another label set."""
        refuse_other_classes(
            state_dict,
            f'{prefix}classifier.weight',
            expected=self.num_classes + 1,
            wanted=f'num_classes={self.num_classes}',
            beside=1,
        )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _check_layers(layers: Sequence[int] | None, num_layers: int) -> tuple[int, ...]:
    """Return the supervised layers, all of them if None."""
    chosen = tuple(range(num_layers)) if layers is None else tuple(layers)
    if num_layers - 1 not in chosen or any(not 0 <= layer < num_layers for layer in chosen):
        raise ValueError(
            f'QueryISHead: supervised_layers={layers}, expected layers of 0..{num_layers - 1} '
            f'with the last, {num_layers - 1}, among them.'
        )
    return chosen


def _full_precision(tensor: Tensor) -> Tensor:
    """Cast to float32 at least, also for a model whose parameters are in half precision."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
