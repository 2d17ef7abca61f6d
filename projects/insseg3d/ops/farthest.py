# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Farthest point sampling of several scenes at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def farthest_points(coords: Sequence[Tensor], num_points: int) -> list[Tensor]:
    """Choose points one by one, each farthest from those already chosen.

    The first point is always chosen. Ties go to the first of the points, and every run makes the
    same choice. All scenes take their steps together, because on a GPU the time depends on the
    number of steps, not of points.

    Args:
        coords: ``(R_b, 3)`` coordinates of each of B scenes, of any type. Distances are computed
            in float32 (float64 for float64); squared distances of grid indices are exact up to
            2**24.
        num_points: Number of points to choose per scene.

    Returns:
        B tensors ``(min(num_points, R_b),)`` int64 of distinct rows, in the order of choice.

    Raises:
        ValueError: The number of points is less than 1.
    """
    if num_points < 1:
        raise ValueError(f'farthest_points: num_points is {num_points}, expected 1 or more.')
    lengths = [len(scene) for scene in coords]
    steps = min(num_points, max(lengths, default=0))
    if steps == 0:
        return [torch.zeros(0, dtype=torch.long, device=scene.device) for scene in coords]
    axes, distance = _padded(coords, lengths)
    scenes = torch.arange(len(coords), device=axes.device)
    chosen = torch.zeros(len(coords), steps, dtype=torch.long, device=axes.device)
    current = chosen[:, 0]
    for step in range(steps):
        chosen[:, step] = current
        # Chosen points, like the padding, get distance -1 and keep it, because of the minimum.
        distance[scenes, current] = -1
        squared = (axes - axes[:, scenes, current][:, :, None]).square_().sum(0)
        torch.minimum(distance, squared, out=distance)
        current = distance.argmax(1)
    return [row[:length] for row, length in zip(chosen, lengths)]


def _padded(coords: Sequence[Tensor], lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pad to ``(3, B, R)`` coordinates and ``(B, R)`` distances: infinite, but -1 for padding."""
    dtype = torch.float64 if coords[0].dtype == torch.float64 else torch.float32
    axes = coords[0].new_zeros(coords[0].shape[1], len(coords), max(lengths), dtype=dtype)
    distance = axes.new_full(axes.shape[1:], -1)
    for b, (scene, length) in enumerate(zip(coords, lengths)):
        axes[:, b, :length] = scene.T
        distance[b, :length] = torch.inf
    return axes, distance
