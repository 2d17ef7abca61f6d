# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predict the class and mask of each query, compute the losses and rank the results."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS, TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from insseg3d.heads import RowMasks, refuse_other_classes
from insseg3d.ops.masks import BinaryMasks, binary_masks
from insseg3d.ops.precision import without_autocast
from insseg3d.structures import SceneBatch, SceneRows

from .matched_losses import MatchedLosses
from .matching import QueryOutputs
from .plus.mask_pilots import Pilots, pairs_of_pilots, pilots_with_objects
from .plus.mask_reader import MaskReader
from .plus.row_features import RowFeatures


@MODELS.register_module()
class QueryISHead(MatchedLosses):
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
        supervised_layers: Outputs of the decoder with losses, counted from 0, including the last.
            None for all.
        features: Config of the features of rows that masks are made from; None for
            ``BackboneFeatures``.
        pilots: Config of the pilots, further queries of the training; None for none.
        quality: Config of the part that predicts the quality of the last masks, a factor of their
            scores; None for none.
        reading_rows: Rows of a scene that queries read under their masks. Of larger scenes they
            read every n-th; see ``MaskReader``. None for all.
        init_cfg: See mmengine's ``BaseModule``.

    Raises:
        ValueError: ``class_weight`` of the class loss has another length than K + 1, or
            ``supervised_layers`` are not outputs of the decoder with the last among them; or
            decoder or quality read another number of channels than the rows have.
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
        features: dict | None = None,
        pilots: dict | None = None,
        quality: dict | None = None,
        reading_rows: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            assigner=assigner,
            loss_cls=loss_cls,
            mask_losses=mask_losses,
            init_cfg=init_cfg,
        )
        self.decoder = MODELS.build(decoder)
        self.supervised_layers = _check_layers(supervised_layers, self.decoder.num_outputs)
        features = features or dict(type='BackboneFeatures')
        self.features = MODELS.build(dict(features, in_channels=in_channels))
        channels = self.features.num_channels
        self.point_projection = (
            nn.Identity() if channels == embed_dims else nn.Linear(channels, embed_dims)
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
        self.pilots = None if pilots is None else MODELS.build(pilots)
        self.quality = None if quality is None else MODELS.build(quality)
        _check_reading(channels, decoder=self.decoder, quality=self.quality)
        self.reading_rows = reading_rows
        self.ranking = TASK_UTILS.build(ranking)

    def forward(self, batch: SceneBatch) -> QueryOutputs:
        """Compute the raw outputs of a batch."""
        return self._outputs(batch, self.features(batch))

    def _outputs(
        self, batch: SceneBatch, rows: RowFeatures, pilots: Pilots | None = None
    ) -> QueryOutputs:
        """Compute the raw outputs of queries and pilots from the features of rows."""
        read = self._reader(batch, rows)
        class_logits, mask_embeddings, quality = self.decode(batch, read, pilots)
        with without_autocast(mask_embeddings[0]):
            mask_features = [self._mask_features(features[:]) for features in rows.features]
        return QueryOutputs(class_logits, mask_embeddings, mask_features, quality)

    def _reader(self, batch: SceneBatch, rows: RowFeatures) -> MaskReader:
        """Make the part that reads under the masks of queries."""
        return MaskReader(
            lambda queries: self.mask_embedding(self.query_norm(self._widened(queries))),
            self._mask_features,
            rows,
            [scene.counts for scene in batch.rows],
            self.reading_rows,
        )

    def decode(
        self,
        batch: SceneBatch,
        read: MaskReader | None = None,
        pilots: Pilots | None = None,
    ) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        """Compute class logits and mask embeddings of every output, and the quality of the last.

        Args:
            batch: The batch.
            read: Reader under masks, for a decoder that reads.
            pilots: Further queries, see ``MaskReadingDecoder``; None for none.

        Returns:
            Three attributes of QueryOutputs.
        """
        outputs = self.decoder(batch, read, pilots)
        with without_autocast(outputs[0]):
            layers = [self.query_norm(self._widened(queries)) for queries in outputs]
            return (
                [self.classifier(queries) for queries in layers],
                [self.mask_embedding(queries) for queries in layers],
                None if self.quality is None else self.quality(outputs[-1], read),
            )

    def masks(self, embeddings: Tensor, rows: SceneRows) -> BinaryMasks:
        """Make the masks of one scene.

        Args:
            embeddings: ``(Q, C)`` mask embeddings.
            rows: Rows over which the masks are made, with the features of ``RowFeatures``.
        """
        # Two linear layers in a row are one, from row features to the logits of all masks.
        weight, bias = embeddings.T, embeddings.new_zeros(len(embeddings))
        if isinstance(self.point_projection, nn.Linear):
            with without_autocast(embeddings):
                bias = embeddings @ _full_precision(self.point_projection.bias)
                weight = _full_precision(self.point_projection.weight).T @ weight

        def logits_of(some: slice) -> Tensor:
            return torch.addmm(bias, rows.features[some].to(weight.dtype), weight)

        return binary_masks(logits_of, rows.counts)  # switches autocast off

    def _mask_features(self, features: Tensor) -> Tensor:
        """Project features of rows ``(R, C')`` to mask features ``(R, C)``."""
        return self.point_projection(self._widened(features))

    def _widened(self, tensor: Tensor) -> Tensor:
        """Cast to the dtype of the parameters; under autocast a tensor may be narrower."""
        return tensor.to(self.classifier.weight.dtype)

    def loss(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Compute the losses of every supervised output.

        Returns:
            ``loss_cls``, and ``loss_<name>`` of each mask loss. Those of earlier outputs have the
            prefix ``d<number>.``, those of pilots ``pilots.``. Also the losses of the part that
            makes the features of rows.
        """
        targets, rows = batch.voxel_targets(), self.features(batch)
        added = None if self.pilots is None else self.pilots(rows.places, targets)
        outputs = self._outputs(batch, rows, added)
        outputs = outputs.change(_full_precision)
        losses = self.features.loss(rows, batch)
        with without_autocast(outputs.mask_features[0]):
            queries, pilots = outputs.split(self.decoder.queries.num_queries)
            matches = self.match(queries, targets, self.supervised_layers)
            losses |= self.matched_losses(queries, targets, matches)
            if self.quality is not None:
                losses['loss_quality'] = self.quality.loss(
                    queries.quality, queries.mask_embeddings[-1], queries.mask_features, targets
                )
            if added is not None:
                judged = pilots_with_objects(targets)
                matches = pairs_of_pilots(judged, self.supervised_layers)
                terms = self.matched_losses(pilots, targets, matches, judged=judged)
                losses |= {f'pilots.{name}': value for name, value in terms.items()}
        return losses

    def predict(self, batch: SceneBatch) -> list[InstanceData]:
        """Rank the queries of the last output over the points of each scene."""
        rows = self.features(batch)
        *found, quality = self.decode(batch, self._reader(batch, rows))
        class_logits, embeddings = (_full_precision(layers[-1]) for layers in found)
        results = []
        with without_autocast(class_logits):
            for b, scene in enumerate(batch.rows):
                scene = scene._replace(features=rows.features[b])
                masks = self.masks(embeddings[b], scene)
                if quality is not None:
                    factor = _full_precision(quality[b]).sigmoid()
                    masks = masks._replace(scores=masks.scores * factor)
                results.append(self.ranking(RowMasks(masks, scene.point2row), class_logits[b]))
        return results

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


def _check_reading(channels: int, **parts: nn.Module | None) -> None:
    """Compare the channels that parts read under masks, if they do, with those of the rows."""
    for name, part in parts.items():
        expected = getattr(part, 'reading_channels', channels)
        if expected != channels:
            raise ValueError(
                f'QueryISHead: {name}.reading_channels={expected}, but the rows have {channels} '
                f'channels with these features; set decode_head.{name}.reading_channels={channels}.'
            )


def _full_precision(tensor: Tensor) -> Tensor:
    """Cast to float32 at least, also for a model whose parameters are in half precision."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
