# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw outputs of queries, and the inputs of their matching with objects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from insseg3d.ops.masks import MaskSums, mask_sums, object_points
from insseg3d.structures import SceneTargets


class QueryOutputs(NamedTuple):
    """Raw outputs of the head for a batch.

    Attributes:
        class_logits: Per decoder layer ``(B, Q, K + 1)``.
        mask_embeddings: Per decoder layer ``(B, Q, C)``.
        mask_features: Per scene ``(R, C)``. The mask logits of a query are their dot product with
            its embedding; they are computed only where they are needed.
        quality: ``(B, Q)`` logits of the predicted quality of the last masks; None if the head
            predicts none.
    """

    class_logits: list[Tensor]
    mask_embeddings: list[Tensor]
    mask_features: list[Tensor]
    quality: Tensor | None = None

    def change(self, function: Callable[[Tensor], Tensor]) -> QueryOutputs:
        """Apply a function to every tensor."""
        *lists, quality = self
        return QueryOutputs(
            *([function(tensor) for tensor in some] for some in lists),
            None if quality is None else function(quality),
        )

    def split(self, number: int) -> tuple[QueryOutputs, QueryOutputs]:
        """Split the queries into the first ones, given their number, and the others."""
        return tuple(
            self._replace(
                class_logits=[logits[:, part] for logits in self.class_logits],
                mask_embeddings=[embeddings[:, part] for embeddings in self.mask_embeddings],
                quality=None if self.quality is None else self.quality[:, part],
            )
            for part in (slice(None, number), slice(number, None))
        )


class SceneMatching(NamedTuple):
    """Inputs of the costs, for one scene and one decoder layer.

    Attributes:
        class_logits: ``(Q, K + 1)``, the last column is "no object".
        labels: ``(G,)`` int64 class of each object.
        sums: Sums of the masks over the objects.
        dense: Returns mask logits ``(Q, V)`` and ground truth ``(G, V)``, the share of each
            voxel's points that belong to the object, on the host. Only costs that cannot work on
            the sums call it.
    """

    class_logits: Tensor
    labels: Tensor
    sums: MaskSums
    dense: Callable[[], tuple[Tensor, Tensor]] | None = None


def matching_of(outputs: QueryOutputs, layer: int, b: int, targets: SceneTargets) -> SceneMatching:
    """Collect the inputs of the costs, still on the device.

    Args:
        outputs: Raw outputs for a batch.
        layer: Index of the decoder layer.
        b: Index of the scene.
        targets: Ground truth of this scene.
    """
    features, embeddings = outputs.mask_features[b], outputs.mask_embeddings[layer][b]
    return SceneMatching(
        class_logits=outputs.class_logits[layer][b],
        labels=targets.labels,
        sums=mask_sums(features @ embeddings.T, targets),
        dense=functools.partial(dense_masks, features, embeddings, targets),
    )


def to_host(scenes: Sequence[SceneMatching]) -> list[SceneMatching]:
    """Copy the tensors of several matchings to the host in one transfer.

    Labels travel as floating-point numbers, in which class indices are exact.
    """
    flat = [tensor for s in scenes for tensor in (s.class_logits, s.labels, *s.sums)]
    dtype = flat[0].dtype
    host = torch.cat([tensor.detach().reshape(-1).to(dtype) for tensor in flat]).cpu()
    parts = host.split([tensor.numel() for tensor in flat])
    parts = iter([part.reshape(tensor.shape) for part, tensor in zip(parts, flat)])
    return [
        SceneMatching(
            class_logits=next(parts),
            labels=next(parts).long(),
            sums=MaskSums(*(next(parts) for _ in s.sums)),
            dense=s.dense,
        )
        for s in scenes
    ]


def dense_masks(
    features: Tensor, embeddings: Tensor, targets: SceneTargets
) -> tuple[Tensor, Tensor]:
    """Make the dense masks of a scene on the host; see ``SceneMatching.dense``.

    Args:
        features: ``(V, C)`` mask features.
        embeddings: ``(Q, C)`` mask embeddings.
        targets: Ground truth.
    """
    logits = embeddings @ features.T
    every = torch.arange(len(targets.labels), device=logits.device)
    inside = object_points(targets, every, logits.dtype)
    share = inside / targets.counts.clamp(min=1)[:, None]
    return logits.cpu(), share.T.cpu()
