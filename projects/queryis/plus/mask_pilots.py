# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pilots: queries of the training that begin with a piece of an object instead of a guess."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from insseg3d.engine import iteration_generator
from insseg3d.structures import SceneTargets

from ..matched_losses import Pairs


class Pilots(NamedTuple):
    """Further queries of a batch, and their first masks.

    Attributes:
        queries: ``(B, P, C)``.
        regions: Per scene ``(R, P)`` bool; column g is the region of object g, further columns are
            empty. P is the number of objects in the scene with most of them, at least 1.
    """

    queries: Tensor
    regions: list[Tensor]


@MODELS.register_module()
class MaskPilots(nn.Module):
    """Make a pilot for each object of a scene, with a part of the object as its first mask.

    The mask also has some of the object's surroundings. A pilot is trained to complete the object.
    It needs no matching, so the decoder learns from it even while the matches of other queries
    still change.

    Deviation: not in 3D-QueryIS. Source: the denoising queries of DN-DETR, and the mask-piloted
    training of MP-Former.

    Args:
        embed_dims: C of the queries.
        radius: Range of the radius around a random row of the object, metres. The object's rows
            within it belong to the region.
        noise: Range of a second radius, metres. All rows within it belong to the region.

    Raises:
        ValueError: A range is not ordered.
    """

    def __init__(
        self,
        *,
        embed_dims: int,
        radius: Sequence[float] = (0.2, 1.0),
        noise: Sequence[float] = (0.0, 0.4),
    ) -> None:
        super().__init__()
        for name, (low, high) in dict(radius=radius, noise=noise).items():
            if not 0 <= low <= high:
                raise ValueError(
                    f'MaskPilots: {name} is {(low, high)}, expected (low, high) with 0 <= low <= '
                    'high, metres.'
                )
        self.radius, self.noise = tuple(radius), tuple(noise)
        self.embedding = nn.Parameter(torch.zeros(embed_dims))

    def forward(self, places: Sequence[Tensor], targets: Sequence[SceneTargets]) -> Pilots:
        """Make the pilots of a batch, at least one per scene.

        In training, the draws depend only on the seed and the iteration. They are made on the host.

        Args:
            places: Per scene ``(R, 3)`` metres.
            targets: Ground truth of each scene; its voxels are the rows.

        Raises:
            ValueError: The rows have no places.
        """
        if places is None:
            raise ValueError(
                'MaskPilots: the rows have no places; give the head features that have, for '
                "example features=dict(type='PlacedFeatures', …)."
            )
        generator = iteration_generator()
        number = max(1, *(len(scene.labels) for scene in targets))
        regions = [
            self._regions(place, scene, number, generator) for place, scene in zip(places, targets)
        ]
        return Pilots(self.embedding.expand(len(regions), number, -1), regions)

    @torch.no_grad()
    def _regions(
        self,
        places: Tensor,
        scene: SceneTargets,
        number: int,
        generator: torch.Generator | None,
    ) -> Tensor:
        objects, device = len(scene.labels), places.device
        regions = torch.zeros(len(places), number, dtype=torch.bool, device=device)
        draws = torch.rand(3, objects, generator=generator).to(places)
        if objects == 0:  # there may be no rows to choose from, either
            return regions
        inside = regions[:, :objects].clone()
        inside[scene.inst_voxel, scene.inst_index] = True
        # The row with this rank among the object's rows; all objects have some.
        rank = (draws[0] * inside.sum(0)).long() + 1
        seeds = (inside & (inside.cumsum(0) == rank)).to(torch.uint8).argmax(0)
        distance = torch.cdist(places, places[seeds])
        radius = self.radius[0] + draws[1] * (self.radius[1] - self.radius[0])
        noise = self.noise[0] + draws[2] * (self.noise[1] - self.noise[0])
        regions[:, :objects] = (inside & (distance <= radius)) | (distance <= noise)
        return regions


def pilots_with_objects(targets: Sequence[SceneTargets]) -> list[Tensor]:
    """Return the numbers of the pilots of each scene that have an object, which are the objects'.

    Args:
        targets: Ground truth of each scene.
    """
    return [torch.arange(len(scene.labels), device=scene.counts.device) for scene in targets]


def pairs_of_pilots(pilots: Sequence[Tensor], layers: Sequence[int]) -> Pairs:
    """Return the pairs of pilots and objects; the first output precedes all layers and has none.

    Args:
        pilots: Numbers of the pilots with an object, per scene.
        layers: Supervised outputs of the decoder.
    """
    return {
        (layer, b): (numbers, numbers)
        for layer in layers
        if layer > 0
        for b, numbers in enumerate(pilots)
    }
