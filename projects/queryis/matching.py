# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Match queries and objects on the host, with one copy for all layers and scenes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from insseg3d.ops.masks import object_points
from insseg3d.structures import SceneTargets


class DenseMasks:
    """Dense masks of one scene and layer, made on the host only when a cost asks.

    Args:
        features: ``(V, C)`` mask features.
        embeddings: ``(Q, C)`` mask embeddings.
        scene: Ground truth.
    """

    def __init__(self, features: Tensor, embeddings: Tensor, scene: SceneTargets) -> None:
        self.features, self.embeddings, self.scene = features, embeddings, scene

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Mask logits ``(Q, V)`` and the share of each voxel that is each object's, ``(G, V)``."""
        logits = self.embeddings @ self.features.T
        everything = torch.arange(len(self.scene.labels), device=logits.device)
        inside = object_points(self.scene, everything, logits.dtype)
        share = inside / self.scene.counts.clamp(min=1)[:, None]
        return logits.cpu(), share.T.cpu()


def to_host(blocks: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    """Copy many small tensors to the host in one transfer.

    Labels travel as floating point: class indices are exact there.
    """
    flat = [tensor for block in blocks for tensor in block]
    dtype = flat[0].dtype
    host = torch.cat([tensor.detach().reshape(-1).to(dtype) for tensor in flat]).cpu()
    parts = iter(host.split([tensor.numel() for tensor in flat]))
    return [[next(parts).reshape(tensor.shape) for tensor in block] for block in blocks]
