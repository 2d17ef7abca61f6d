# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Two ways in which a query reads the rows under its mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .mask_reader import MaskReader, MaskReadings


@MODELS.register_module()
class MeanReading(nn.Sequential):
    """Pass the mean of the rows under the mask through a small network.

    Deviation: not in 3D-QueryIS. Source: the mask pooling of K-Net.

    Args:
        embed_dims: C of the queries.
        reading_channels: Channels of the row features.
    """

    def __init__(self, *, embed_dims: int, reading_channels: int) -> None:
        super().__init__(
            nn.Linear(reading_channels, embed_dims),
            nn.LayerNorm(embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
        )

    def forward(self, queries: Tensor, found: MaskReadings, read: MaskReader) -> Tensor:
        """Compute what is added to queries ``(B, Q, C)``.

        Args:
            queries: Not used; :class:`AttentionReading` needs them.
            found: Means under the masks of the queries.
            read: Not used.
        """
        return super().forward(found.features)


@MODELS.register_module()
class AttentionReading(BaseModule):
    """Attend to the rows under the mask. A row counts as often as it has points.

    Deviation: not in 3D-QueryIS. Source: the masked attention of Mask2Former. A query with an empty
    mask reads nothing here, in Mask2Former everything.

    Args:
        embed_dims: C of the queries.
        reading_channels: Channels of the row features.
        num_heads: H, a divisor of C.
    """

    def __init__(self, *, embed_dims: int, reading_channels: int, num_heads: int = 4) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(reading_channels, embed_dims)
        self.value = nn.Linear(reading_channels, embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)

    def forward(self, queries: Tensor, found: MaskReadings, read: MaskReader) -> Tensor:
        """Compute what is added to queries ``(B, Q, C)``.

        Args:
            queries: The queries, with their places.
            found: What is under their masks.
            read: The rows.
        """
        updates = [
            self._attend(queries[b], features, inside, counts)
            for b, (features, inside, counts) in enumerate(
                zip(read.features, found.inside, read.counts)
            )
        ]
        return torch.stack(updates)

    def _attend(self, queries: Tensor, features: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
        """Attend from queries ``(Q, C)`` to rows ``(R, C')`` inside their masks ``(R, Q)``."""
        within = inside.T > 0
        bias = counts.to(inside.dtype).log().masked_fill(~within, float('-inf'))
        some = within.any(1, keepdim=True)
        # Attention over nothing is undefined; such a query attends to all, without effect.
        bias = bias.masked_fill(~some, 0)
        query, key, value = (
            part.unflatten(1, (self.num_heads, -1)).transpose(0, 1)
            for part in (self.query(queries), self.key(features), self.value(features))
        )
        mean = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        update = self.out(mean.transpose(0, 1).flatten(1))
        return update.masked_fill(~some, 0)
