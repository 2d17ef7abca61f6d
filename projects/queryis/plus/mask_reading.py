# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Queries that read the features under their own masks before each decoder layer."""

from __future__ import annotations

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.structures import SceneBatch

from ..query_decoder import QueryDecoder
from .mask_pilots import Pilots
from .mask_reader import MaskReader


@MODELS.register_module()
class MaskRelation(BaseModule):
    """Bias self-attention by how the masks of two queries overlap.

    A query can thus see which other queries have found the same object. Per pair, a small network
    turns the IoU of the masks, and the share of either mask inside the other, into a bias per head.

    Deviation: not in 3D-QueryIS. Source: the relation-aware self-attention of Relation3D, which
    compares boxes of masks.

    Args:
        num_heads: H of the decoder layers.
        hidden_channels: Width of the network.
    """

    def __init__(self, *, num_heads: int = 4, hidden_channels: int = 16) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(3, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, num_heads)
        )

    def forward(self, shared: Tensor) -> Tensor:
        """Compute biases ``(B, H, Q, Q)`` from shares ``(B, Q, Q)``; see ``MaskReadings``."""
        mine, others = shared, shared.mT
        # With n points in both masks: n / (a + b - n) = 1 / (a / n + b / n - 1).
        both = mine * others
        iou = both / (mine + others - both).clamp(min=1e-6)
        return self.mlp(torch.stack([iou, mine, others], -1)).permute(0, 3, 1, 2)


@MODELS.register_module()
class MaskReadingDecoder(QueryDecoder):
    """Let each query read under its mask, then attend to the others, and to memory if layers do.

    The first masks are made from the queries as they are; later ones from the output of the layer
    before. Thus a query learns which object it has found, and where. In attention, the place of a
    query is added to queries and keys.

    The first output is the queries before all layers. ``supervised_layers`` counts it as layer 0.

    Deviation: not in 3D-QueryIS, Sec. 3.3, where queries read the scene only by attention to
    representative points. Source: the masked attention of Mask2Former, by default reduced to a
    mean, which is the mask pooling of K-Net.

    Args:
        queries: Config of the source of queries.
        layer: Config from which each layer is built.
        embed_dims: C of the queries.
        reading_channels: Channels of the row features.
        position: Config of the position features of a query's place.
        reading: Config of the part that reads, built for each layer; None for ``MeanReading``.
        relation: Config of the bias of self-attention by the overlaps of masks, built for each
            layer; None for none.
        num_layers: L.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self,
        *,
        queries: dict,
        layer: dict,
        embed_dims: int,
        reading_channels: int,
        position: dict,
        reading: dict | None = None,
        relation: dict | None = None,
        num_layers: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(queries=queries, layer=layer, num_layers=num_layers, init_cfg=init_cfg)
        self.num_outputs = num_layers + 1
        self.reading_channels = reading_channels
        channels = dict(embed_dims=embed_dims, reading_channels=reading_channels)
        reading = dict(reading or dict(type='MeanReading'), **channels)
        self.readings = nn.ModuleList(MODELS.build(reading) for _ in self.layers)
        self.position = MODELS.build(position)
        self.place = nn.Linear(self.position.num_channels, embed_dims)
        self.relations = None
        if relation is not None:
            self.relations = nn.ModuleList(MODELS.build(relation) for _ in self.layers)

    def forward(
        self,
        batch: SceneBatch,
        read: MaskReader | None = None,
        pilots: Pilots | None = None,
    ) -> list[Tensor]:
        """Decode the queries of a batch.

        Args:
            batch: The batch, with memory if the layers attend to it.
            read: Reader of the head.
            pilots: P further queries, whose first masks are their regions. They and the others do
                not attend to each other, nor do they attend to those with an empty region, which
                have no object. None for no pilots.

        Returns:
            The queries ``(B, Q + P, C)`` before the first and after each of the L layers.

        Raises:
            ValueError: The layers attend to memory and the model has no neck, or the rows have no
                places.
        """
        self.check_memory(batch)
        queries, regions, apart = self.queries(batch), None, None
        if pilots is not None:
            regions = pilots.regions
            queries, apart = _add_pilots(queries, pilots)
        outputs = [queries]
        for number, (layer, reading) in enumerate(zip(self.layers, self.readings)):
            found = read(queries, regions)
            if found.places is None:
                raise ValueError(
                    f'{type(self).__name__}: the rows have no places; give the head features that '
                    "have, for example features=dict(type='PlacedFeatures', …)."
                )
            regions = None  # from now on, pilots have masks of their own
            place = self.place(self.position(found.places))
            queries = layer(
                queries + reading(queries + place, found, read),
                batch.memory,
                batch.padding,
                place=place,
                attn_mask=self._attention_mask(number, found.shared, apart),
            )
            outputs.append(queries)
        return outputs

    def _attention_mask(self, number: int, shared: Tensor, apart: Tensor | None) -> Tensor | None:
        """Combine the biases of a layer, if it has any, and the pairs that do not attend."""
        if self.relations is None:
            heads = self.layers[number].self_attn.num_heads
            return None if apart is None else apart.repeat_interleave(heads, 0)
        bias = self.relations[number](shared)
        if apart is not None:
            bias = bias.masked_fill(apart[:, None], float('-inf'))
        return bias.flatten(0, 1)


def _add_pilots(queries: Tensor, pilots: Pilots) -> tuple[Tensor, Tensor]:
    """Append pilots; also return which queries do not attend to which.

    Returns:
        The queries ``(B, Q + P, C)``, and ``(B, Q + P, Q + P)`` bool.
    """
    used = torch.stack([region.any(0) for region in pilots.regions])
    kind = torch.cat([used.new_zeros(queries.shape[:2], dtype=torch.long), 2 - used.long()], 1)
    everyone = torch.cat([queries, pilots.queries.to(queries.dtype)], 1)
    return everyone, kind[:, :, None] != kind[:, None]
