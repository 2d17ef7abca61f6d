# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Instance query decoder (IQD): K queries read the scene from its representative points."""

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.farthest import farthest_points
from insseg3d.ops.segment import split_rows
from insseg3d.structures import VoxelLevel


@MODELS.register_module()
class LearnedQueries(BaseModule):
    """The same learned queries for every scene.

    Source: 3D-QueryIS, Sec. 3.3.

    Args:
        num_queries: Q.
        embed_dims: C.
    """

    def __init__(self, *, num_queries: int, embed_dims: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.embedding = nn.Embedding(num_queries, embed_dims)

    def forward(self, memory: Tensor, finest: VoxelLevel | None = None) -> Tensor:
        """Give each of the B scenes of ``memory (B, J, C)`` its queries ``(B, Q, C)``."""
        return self.embedding.weight.expand(len(memory), -1, -1)


@MODELS.register_module()
class FPSQueries(BaseModule):
    """Features of voxels that lie far from each other, by farthest point sampling.

    Source: 3D-QueryIS, Table 4, "Non-Params": points in place of learned queries.
    Deviation: where ``in_channels`` differs from ``embed_dims`` one linear layer brings the
    features to the width of the queries. The points are the finest voxels.

    Args:
        num_queries: Q. In a scene of fewer voxels they are taken again from the first.
        embed_dims: C.
        in_channels: Channels of the finest backbone level.
    """

    def __init__(self, *, num_queries: int, embed_dims: int, in_channels: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.projection = (
            nn.Identity() if in_channels == embed_dims else nn.Linear(in_channels, embed_dims)
        )

    def forward(self, memory: Tensor, finest: VoxelLevel | None = None) -> Tensor:
        """Choose the queries.

        Args:
            memory: ``(B, J, C)``, which says how many scenes there are.
            finest: The finest backbone level of these scenes.

        Returns:
            ``(B, Q, C)``; zeros for a scene without voxels.

        Raises:
            ValueError: If ``finest`` is None.
        """
        if finest is None:
            raise ValueError(
                'FPSQueries: the head was called without the finest level; pass finest=levels[1].'
            )
        batch = finest.coors[:, 0]
        features = split_rows(finest.features, batch, len(memory))
        chosen = farthest_points(
            split_rows(finest.coors[:, 1:], batch, len(memory)), self.num_queries
        )
        return self.projection(
            torch.stack([self._repeat(scene[rows]) for scene, rows in zip(features, chosen)])
        )

    def _repeat(self, rows: Tensor) -> Tensor:
        """``(Q, C)`` from at most Q rows."""
        if len(rows) == 0:
            return rows.new_zeros(self.num_queries, rows.shape[1])
        times = -(-self.num_queries // len(rows))
        return rows.repeat(times, 1)[: self.num_queries]


@MODELS.register_module()
class QueryDecoderLayer(BaseModule):
    """Self-attention, attention to the representative points, feed-forward network; post-norm.

    Source: 3D-QueryIS, Eq. 3; the order and the norms are the standard transformer decoder's.

    Args:
        embed_dims: C.
        num_heads: H; C is a multiple of it.
        feedforward_channels: Width of the feed-forward network.
        dropout: Share of values dropped after each part.
    """

    def __init__(
        self,
        *,
        embed_dims: int,
        num_heads: int = 4,
        feedforward_channels: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = feedforward_channels or 4 * embed_dims
        self.self_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.cross_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.ffn = nn.Sequential(
            nn.Linear(embed_dims, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, embed_dims),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, memory: Tensor, padding: Tensor | None) -> Tensor:
        """Update queries ``(B, Q, C)`` from memory ``(B, J, C)``, ignoring its padding."""
        update, _ = self.self_attn(queries, queries, queries, need_weights=False)
        queries = self.norms[0](queries + self.dropout(update))
        update, _ = self.cross_attn(
            queries, memory, memory, key_padding_mask=padding, need_weights=False
        )
        queries = self.norms[1](queries + self.dropout(update))
        return self.norms[2](queries + self.dropout(self.ffn(queries)))


@MODELS.register_module()
class QueryDecoder(BaseModule):
    """A stack of decoder layers over a source of queries.

    Source: 3D-QueryIS, Sec. 3.3.

    Args:
        queries: Config of the source of queries.
        layer: Config of one layer; each of the layers is built from it.
        num_layers: L.
        init_cfg: As in mmengine.
    """

    def __init__(
        self, *, queries: dict, layer: dict, num_layers: int = 3, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.queries = MODELS.build(queries)
        self.layers = nn.ModuleList(MODELS.build(layer) for _ in range(num_layers))

    def init_weights(self) -> None:
        """Xavier for every matrix, as in the reference transformer; ``init_cfg`` comes last."""
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        super().init_weights()

    def forward(
        self, memory: Tensor, padding: Tensor | None = None, finest: VoxelLevel | None = None
    ) -> list[Tensor]:
        """Decode.

        Args:
            memory: ``(B, J, C)`` representative points.
            padding: ``(B, J)`` bool, which of them to ignore, or None.
            finest: The finest backbone level, for queries that are made from the scene.

        Returns:
            The queries ``(B, Q, C)`` after each of the L layers.
        """
        queries = self.queries(memory, finest)
        outputs = []
        for layer in self.layers:
            queries = layer(queries, memory, padding)
            outputs.append(queries)
        return outputs
