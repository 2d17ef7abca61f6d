# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Class and mask of each query, their losses and their results."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.losses import CrossEntropyLoss
from mmdet.utils import reduce_mean
from mmdet3d.registry import MODELS, TASK_UTILS
from mmdet3d.structures import PointData
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from insseg3d.heads import OTHER_CLASSES, check_class_table
from insseg3d.ops.masks import BinaryMasks, MaskSums, binary_masks, mask_sums, object_points
from insseg3d.ops.precision import without_autocast
from insseg3d.structures import SceneRows, SceneTargets, VoxelLevel

from .match_costs import SceneMatching
from .matching import DenseMasks, to_host


class QueryOutputs(NamedTuple):
    """What the head says of a batch.

    Attributes:
        class_logits: One ``(B, Q, K + 1)`` a decoder layer.
        mask_embeddings: One ``(B, Q, C)`` a decoder layer.
        mask_features: One ``(V, C)`` a scene. The mask logits of a query are the dot product of
            its embedding with them; they are made only where they are needed.
    """

    class_logits: list[Tensor]
    mask_embeddings: list[Tensor]
    mask_features: list[Tensor]


@MODELS.register_module()
class QueryISHead(BaseModule):
    """Decode queries, give each a class and a mask, match them with objects, rank them.

    Under autocast the decoder computes in half precision. All that follows is made in the dtype of
    the parameters, with autocast off: masks are sums over channels, matching, losses and scores
    sums over the points of a scene.

    Source: 3D-QueryIS, Sec. 3.3 to 3.5.
    Deviation: where ``in_channels`` differs from ``embed_dims`` one linear layer brings the point
    features to the width of the queries; the losses also supervise earlier decoder layers.

    Args:
        num_classes: K.
        in_channels: Channels of the finest backbone level.
        embed_dims: C of the queries.
        decoder: Config of the query decoder.
        assigner: Config of the assigner.
        loss_cls: Config of the class loss, called as mmdet's: (logits, labels, avg_factor).
        mask_losses: Config of each loss on a matched mask, by name.
        ranking: Config of the post-processing.
        supervised_layers: Decoder layers with losses, counted from 0; the last must be among
            them. None for all.
        init_cfg: As in mmengine.

    Raises:
        ValueError: ``class_weight`` of the class loss has another length than K + 1.
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
        self.loss_cls = MODELS.build(loss_cls)
        weights = getattr(self.loss_cls, 'class_weight', None)
        if weights is None:
            weights = [1.0] * (num_classes + 1)
        check_class_table(
            'decode_head.loss_cls.class_weight',
            weights,
            num_classes,
            expected=num_classes + 1,
            remedy=f'Set class_weight=[1.0] * {num_classes} + [0.1], or other {num_classes + 1}',
        )
        # On the device, once: a tensor made of a list in each step would wait for a copy. mmdet's
        # loss makes one, so it is given the weight of each query instead of its list.
        self.register_buffer(
            'class_weight', torch.tensor(weights, dtype=torch.float32), persistent=False
        )
        self.weighs_queries = type(self.loss_cls) is CrossEntropyLoss and not (
            self.loss_cls.use_sigmoid or self.loss_cls.use_mask
        )
        if self.weighs_queries:
            self.loss_cls.class_weight = None
        self.mask_losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in mask_losses.items()}
        )
        self.ranking = TASK_UTILS.build(ranking)

    def forward(
        self,
        memory: Tensor,
        padding: Tensor | None,
        voxels: Sequence[Tensor],
        finest: VoxelLevel | None = None,
    ) -> QueryOutputs:
        """Decode the queries of a batch.

        Args:
            memory: ``(B, J, C)`` representative points.
            padding: ``(B, J)`` bool or None, which of them to ignore.
            voxels: Finest features of each scene, ``(V, in_channels)``.
            finest: The finest level as the backbone gave it, for queries that are made from the
                scene; learned queries need none.

        Returns:
            Class logits and mask embeddings of every decoder layer, mask features of every scene.
        """
        class_logits, mask_embeddings = self.decode(memory, padding, finest)
        with without_autocast(memory):
            return QueryOutputs(
                class_logits,
                mask_embeddings,
                mask_features=[self._mask_features(features) for features in voxels],
            )

    def decode(
        self, memory: Tensor, padding: Tensor | None, finest: VoxelLevel | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits and mask embeddings of every decoder layer; arguments as of ``forward``."""
        layers = self.decoder(memory, padding, finest)
        with without_autocast(memory):
            layers = [self.query_norm(self._widened(queries)) for queries in layers]
            return (
                [self.classifier(queries) for queries in layers],
                [self.mask_embedding(queries) for queries in layers],
            )

    def masks(self, embeddings: Tensor, scene: SceneRows) -> BinaryMasks:
        """Make one scene's masks.

        Args:
            embeddings: ``(Q, C)`` mask embeddings.
            scene: What the masks are made over.
        """

        def logits_of(rows: slice) -> Tensor:
            (features,) = _in_full_precision([self._mask_features(scene.features[rows])])
            return features @ embeddings.T

        return binary_masks(logits_of, scene.counts)  # which switches autocast off

    def _mask_features(self, features: Tensor) -> Tensor:
        """``(V, C)`` from the finest features ``(V, in_channels)``."""
        return self.point_projection(self._widened(features))

    def _widened(self, tensor: Tensor) -> Tensor:
        """In the dtype of the parameters, whatever autocast has made of it."""
        return tensor.to(self.classifier.weight.dtype)

    def loss(
        self,
        memory: Tensor,
        padding: Tensor | None,
        voxels: Sequence[Tensor],
        targets: Sequence[SceneTargets],
        finest: VoxelLevel | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of every supervised layer by one path.

        Args:
            memory: As of ``forward``, as are ``padding``, ``voxels`` and ``finest``.
            targets: Ground truth of each scene.

        Returns:
            ``loss_cls`` and one ``loss_<name>`` for each mask loss, those of earlier layers with
            the prefix ``d<layer>.``.
        """
        outputs = QueryOutputs(*map(_in_full_precision, self(memory, padding, voxels, finest)))
        losses = {}
        with without_autocast(memory):
            matches = self._match(outputs, targets)
            averages = self._average_factors(matches, memory.device)
            for layer, num_masks in zip(self.supervised_layers, averages):
                last = layer == len(self.decoder.layers) - 1
                terms = self._layer_loss(outputs, layer, targets, matches[layer], num_masks)
                losses.update({f'{"" if last else f"d{layer}."}{k}': v for k, v in terms.items()})
        return losses

    def predict(
        self,
        memory: Tensor,
        padding: Tensor | None,
        scenes: Sequence[SceneRows],
        finest: VoxelLevel | None = None,
    ) -> list[tuple[InstanceData, PointData]]:
        """Rank the queries of the last layer, scene by scene, over the scenes' points.

        Args:
            memory: As of ``forward``, as are ``padding`` and ``finest``.
            scenes: What the masks of each scene are made over.
        """
        layers = self.decode(memory, padding, finest)
        class_logits, embeddings = _in_full_precision([layer[-1] for layer in layers])
        with without_autocast(memory):
            return [
                self.ranking(class_logits[b], self.masks(embeddings[b], scene), scene.point2row)
                for b, scene in enumerate(scenes)
            ]

    @torch.no_grad()
    def _match(
        self, outputs: QueryOutputs, targets: Sequence[SceneTargets]
    ) -> dict[int, list[tuple[Tensor, Tensor]]]:
        """Match every supervised layer of every scene, with one copy to the host."""
        device = outputs.mask_features[0].device
        blocks = []
        for layer in self.supervised_layers:
            for b, scene in enumerate(targets):
                logits = outputs.mask_features[b] @ outputs.mask_embeddings[layer][b].T
                blocks.append(
                    [outputs.class_logits[layer][b], scene.labels, *mask_sums(logits, scene)]
                )
        rows = iter(to_host(blocks))
        matches = {}
        for layer in self.supervised_layers:
            matches[layer] = []
            for b in range(len(targets)):
                class_logits, labels, *sums = next(rows)
                scene = SceneMatching(
                    class_logits,
                    labels.long(),
                    MaskSums(*sums),
                    dense=DenseMasks(
                        outputs.mask_features[b], outputs.mask_embeddings[layer][b], targets[b]
                    ),
                )
                queries, objects = self.assigner.assign(scene)
                matches[layer].append((queries.to(device), objects.to(device)))
        return matches

    def _average_factors(
        self, matches: dict[int, list[tuple[Tensor, Tensor]]], device: torch.device
    ) -> Tensor:
        """Pairs of each supervised layer, over all processes, divided by their number.

        An assigner may give an object several queries, or none. A process without pairs counts 0
        like any other; only the sum is kept from being 0.
        """
        counts = [
            float(sum(len(queries) for queries, _ in matches[layer]))
            for layer in self.supervised_layers
        ]
        return reduce_mean(torch.tensor(counts, device=device)).clamp(min=1 / get_world_size())

    def _layer_loss(
        self,
        outputs: QueryOutputs,
        layer: int,
        targets: Sequence[SceneTargets],
        matches: Sequence[tuple[Tensor, Tensor]],
        num_masks: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of one decoder layer over the batch."""
        labels = []
        sums = dict.fromkeys(self.mask_losses, 0.0)
        for b, (scene, (queries, objects)) in enumerate(zip(targets, matches)):
            class_logits = outputs.class_logits[layer][b]
            labels.append(self._query_labels(class_logits, scene, queries, objects))
            # Only matched masks are made with gradients. Without an object the matrix is empty:
            # the loss is 0 and still connected to every parameter.
            embeddings = outputs.mask_embeddings[layer][b][queries]
            logits = outputs.mask_features[b] @ embeddings.T
            inside = object_points(scene, objects, logits.dtype)
            for name, loss in self.mask_losses.items():
                sums[name] = sums[name] + loss(logits, inside, scene.counts).sum()
        losses = {'loss_cls': self._class_loss(outputs.class_logits[layer], torch.stack(labels))}
        losses.update({f'loss_{name}': total / num_masks for name, total in sums.items()})
        return losses

    def _query_labels(
        self, logits: Tensor, scene: SceneTargets, queries: Tensor, objects: Tensor
    ) -> Tensor:
        """Class of each query's object ``(Q,)``, K for "no object"."""
        labels = torch.full((len(logits),), self.num_classes, device=logits.device)
        labels[queries] = scene.labels[objects]
        return labels

    def _class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted mean over all queries of all processes."""
        logits, labels = logits.flatten(0, 1), labels.flatten()
        weight = self.class_weight[labels].to(logits.dtype)
        average = reduce_mean(weight.sum())
        if self.weighs_queries:
            return self.loss_cls(logits, labels, weight, avg_factor=average)
        return self.loss_cls(logits, labels, avg_factor=average)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        """Refuse a checkpoint of another label set: strict=False would train on in silence."""
        weight = state_dict.get(f'{prefix}classifier.weight')
        if weight is not None and len(weight) != self.num_classes + 1:
            raise RuntimeError(
                f'{prefix}classifier.weight: the checkpoint has {len(weight) - 1} classes, the '
                f'config num_classes={self.num_classes}. {OTHER_CLASSES}'
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _check_layers(layers: Sequence[int] | None, num_layers: int) -> tuple[int, ...]:
    chosen = tuple(range(num_layers)) if layers is None else tuple(layers)
    if num_layers - 1 not in chosen or any(not 0 <= layer < num_layers for layer in chosen):
        raise ValueError(
            f'QueryISHead: supervised_layers={layers}, expected layers of 0..{num_layers - 1} '
            f'with the last, {num_layers - 1}, among them.'
        )
    return chosen


def _in_full_precision(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Float32 at least, also for a model whose parameters are in half precision."""
    return [t if t.dtype == torch.float64 else t.float() for t in tensors]
