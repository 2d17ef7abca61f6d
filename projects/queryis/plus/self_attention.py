# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A decoder layer without memory, for queries that read the scene by other means."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..query_decoder import feed_forward


@MODELS.register_module()
class SelfAttentionLayer(BaseModule):
    """Apply self-attention and a feed-forward network, with a norm layer after each.

    Deviation: in 3D-QueryIS, Eq. 3, queries also attend to representative points. Queries that read
    under their masks need none (see docs/experiments.md).

    Args:
        embed_dims: C.
        num_heads: H, a divisor of C.
        feedforward_channels: Width of the feed-forward network; None for 4 C.
        dropout: Share of values dropped after each part.
    """

    reads_memory = False

    def __init__(
        self,
        *,
        embed_dims: int,
        num_heads: int = 4,
        feedforward_channels: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.ffn = feed_forward(embed_dims, feedforward_channels, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Tensor,
        memory: None = None,
        padding: None = None,
        *,
        place: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        """Update the queries; see ``QueryDecoderLayer``.

        Args:
            queries: ``(B, Q, C)``.
            memory: Not used.
            padding: Not used.
            place: ``(B, Q, C)`` added to queries and keys, but not to values; None for nothing.
            attn_mask: ``(Q, Q)`` bool or a bias ``(B · H, Q, Q)``; None for neither.
        """
        placed = queries if place is None else queries + place
        update, _ = self.self_attn(placed, placed, queries, attn_mask=attn_mask, need_weights=False)
        queries = self.norms[0](queries + self.dropout(update))
        return self.norms[1](queries + self.dropout(self.ffn(queries)))
