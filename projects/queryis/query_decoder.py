# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Instance query decoder (IQD): queries attend to the representative points of their scene."""

from collections.abc import Callable

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.farthest import farthest_points
from insseg3d.ops.segment import split_rows
from insseg3d.structures import SceneBatch


@MODELS.register_module()
class LearnedQueries(BaseModule):
    """Use the same learned queries for every scene.

    Source: 3D-QueryIS, Sec. 3.3.

    Args:
        num_queries: Q.
        embed_dims: C.
    """

    def __init__(self, *, num_queries: int, embed_dims: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.embedding = nn.Embedding(num_queries, embed_dims)

    def forward(self, batch: SceneBatch) -> Tensor:
        """Return queries ``(B, Q, C)`` for the scenes of a batch."""
        return self.embedding.weight.expand(batch.num_scenes, -1, -1)


@MODELS.register_module()
class FPSQueries(BaseModule):
    """Use the features of distant voxels, chosen by farthest point sampling.

    Source: 3D-QueryIS, Table 4, "Non-Params": points instead of learned queries.
    Deviation: if ``in_channels`` differs from ``embed_dims``, a linear layer projects the features
    to the width of the queries. The points are the finest voxels.

    Args:
        num_queries: Q. If a scene has fewer voxels, they repeat from the first.
        embed_dims: C.
        in_channels: Channels of the finest backbone level.
    """

    def __init__(self, *, num_queries: int, embed_dims: int, in_channels: int) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.projection = (
            nn.Identity() if in_channels == embed_dims else nn.Linear(in_channels, embed_dims)
        )

    def forward(self, batch: SceneBatch) -> Tensor:
        """Return queries ``(B, Q, C)`` for the scenes of a batch; 0 for a scene without voxels."""
        finest = batch.levels[1]
        scene = finest.coors[:, 0]
        features = split_rows(finest.features, scene, batch.num_scenes)
        coors = split_rows(finest.coors[:, 1:], scene, batch.num_scenes)
        chosen = farthest_points(coors, self.num_queries)
        return self.projection(
            torch.stack([self._repeat(rows[pick]) for rows, pick in zip(features, chosen)])
        )

    def _repeat(self, rows: Tensor) -> Tensor:
        """Repeat at most Q rows until there are Q, ``(Q, C)``."""
        if len(rows) == 0:
            return rows.new_zeros(self.num_queries, rows.shape[1])
        times = -(-self.num_queries // len(rows))
        return rows.repeat(times, 1)[: self.num_queries]


def feed_forward(channels: int, hidden: int | None, dropout: float) -> nn.Sequential:
    """Build the feed-forward network of a layer; its width is four times the channels if None."""
    hidden = hidden or 4 * channels
    return nn.Sequential(
        nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, channels)
    )


@MODELS.register_module()
class QueryDecoderLayer(BaseModule):
    """Apply self-attention, attention to the representative points, and a feed-forward network.

    A norm layer follows each of the three.

    Source: 3D-QueryIS, Eq. 3; order and norms are those of the standard transformer decoder.

    Args:
        embed_dims: C.
        num_heads: H, a divisor of C.
        feedforward_channels: Width of the feed-forward network.
        dropout: Share of values dropped after each part.
    """

    reads_memory = True

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
        self.cross_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.ffn = feed_forward(embed_dims, feedforward_channels, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Tensor,
        memory: Tensor,
        padding: Tensor | None,
        *,
        place: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        """Update the queries.

        Args:
            queries: ``(B, Q, C)``.
            memory: ``(B, J, C)``.
            padding: ``(B, J)`` bool, rows of the memory to ignore; None for none.
            place: ``(B, Q, C)`` added to queries and keys in attention, but not to values; None for
                nothing.
            attn_mask: Of the self-attention: ``(Q, Q)`` bool, pairs of queries that do not attend
                to each other, or a bias ``(B · H, Q, Q)``; None for neither.
        """
        placed = queries if place is None else queries + place
        update, _ = self.self_attn(placed, placed, queries, attn_mask=attn_mask, need_weights=False)
        queries = self.norms[0](queries + self.dropout(update))
        placed = queries if place is None else queries + place
        update, _ = self.cross_attn(
            placed, memory, memory, key_padding_mask=padding, need_weights=False
        )
        queries = self.norms[1](queries + self.dropout(update))
        return self.norms[2](queries + self.dropout(self.ffn(queries)))


@MODELS.register_module()
class QueryDecoder(BaseModule):
    """Stack decoder layers over a source of queries.

    Source: 3D-QueryIS, Sec. 3.3.

    Args:
        queries: Config of the source of queries.
        layer: Config from which each layer is built.
        num_layers: L.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self, *, queries: dict, layer: dict, num_layers: int = 3, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.queries = MODELS.build(queries)
        self.layers = nn.ModuleList(MODELS.build(layer) for _ in range(num_layers))
        self.num_outputs = num_layers

    def init_weights(self) -> None:
        """Initialise matrices as in the reference transformer (Xavier), then apply ``init_cfg``."""
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        super().init_weights()

    def forward(
        self,
        batch: SceneBatch,
        read: Callable | None = None,
        pilots: tuple | None = None,
    ) -> list[Tensor]:
        """Decode the queries of a batch.

        Args:
            batch: The batch, with memory.
            read: Not used here; see ``MaskReadingDecoder``.
            pilots: Expected to be None; see ``MaskReadingDecoder``.

        Returns:
            The queries ``(B, Q, C)`` after each of the L layers.

        Raises:
            ValueError: The model has no neck, so there is nothing to attend to; or pilots are
                given.
        """
        self.check_memory(batch)
        if pilots is not None:
            raise ValueError(
                f'{type(self).__name__} has no pilots; remove decode_head.pilots, or set '
                "decoder=dict(type='MaskReadingDecoder', …)."
            )
        queries = self.queries(batch)
        outputs = []
        for layer in self.layers:
            queries = layer(queries, batch.memory, batch.padding)
            outputs.append(queries)
        return outputs

    def check_memory(self, batch: SceneBatch) -> None:
        """Raise a ValueError if a layer needs the memory and the batch has none."""
        if batch.memory is None and any(layer.reads_memory for layer in self.layers):
            raise ValueError(
                f'{type(self).__name__}: the batch has no memory, which queries need; '
                'give the model a neck, for example one of queryis.'
            )
