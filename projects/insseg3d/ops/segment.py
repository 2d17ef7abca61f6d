# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rows that share an index: their sums and means, a tensor for each, a padded block of all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .precision import refuse_half


def segment_sum(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Add up the rows of ``values`` that carry the same index.

    Args:
        values: ``(R, ...)``.
        index: ``(R,)`` int64 in ``[0, num_segments)``.
        num_segments: Rows of the result.

    Returns:
        ``(num_segments, ...)``; a segment without rows is 0.

    Raises:
        TypeError: If ``values`` are float16 or bfloat16.
    """
    refuse_half(values, 'segment_sum: values')
    out = values.new_zeros((num_segments, *values.shape[1:]))
    return out.index_add_(0, index, values)


def segment_mean(values: Tensor, index: Tensor, counts: Tensor) -> Tensor:
    """Average the rows of ``values`` that carry the same index.

    Args:
        values: ``(R, C)`` floating point.
        index: ``(R,)`` int64 in ``[0, S)``.
        counts: ``(S,)`` how many rows carry each index.

    Returns:
        ``(S, C)``; a segment without rows is 0.

    Raises:
        TypeError: If ``values`` are float16 or bfloat16.
    """
    refuse_half(values, 'segment_mean: values')
    total = segment_sum(values, index, len(counts))
    return total / counts.clamp(min=1).to(values.dtype)[:, None]


def segment_max(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """The largest value of each column among the rows of ``values`` that carry the same index.

    Args:
        values: ``(R, C)``.
        index: ``(R,)`` int64 in ``[0, num_segments)``.
        num_segments: Rows of the result.

    Returns:
        ``(num_segments, C)``; a segment without rows is 0.
    """
    out = values.new_zeros(num_segments, values.shape[1])
    return out.scatter_reduce(
        0, index[:, None].expand_as(values), values, 'amax', include_self=False
    )


def running_index(counts: Tensor) -> Tensor:
    """0 to n - 1 for each n of ``counts`` in turn, ``(sum of counts,)`` int64."""
    starts = counts.cumsum(0) - counts
    return torch.arange(int(counts.sum()), device=counts.device) - starts.repeat_interleave(counts)


def split_rows(values: Tensor, batch_index: Tensor, batch_size: int) -> list[Tensor]:
    """Split packed rows into one tensor a scene.

    Args:
        values: ``(R, ...)`` rows of all scenes.
        batch_index: ``(R,)`` scene of each row. Rows need not be sorted by it.
        batch_size: B.

    Returns:
        B tensors, in the rows' order within each scene.
    """
    lengths = torch.bincount(batch_index.long(), minlength=batch_size)
    if len(batch_index) > 1 and bool((batch_index[1:] < batch_index[:-1]).any()):
        values = values[torch.sort(batch_index, stable=True).indices]
    return list(values.split(lengths.tolist()))


def pad_rows(scenes: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Stack scenes of unequal length into one block.

    Args:
        scenes: ``(R_b, C)`` of each of B scenes.

    Returns:
        ``(B, R, C)`` with R the longest scene's, at least 1, and zeros behind the shorter ones;
        and ``(B, R)`` bool, which rows are padding, or None if none is. The first row of a scene
        without rows is zeros and no padding: attention over padding alone would be undefined.
    """
    lengths = torch.tensor([max(len(scene), 1) for scene in scenes], device=scenes[0].device)
    most = max(1, *(len(scene) for scene in scenes))
    if all(len(scene) == most for scene in scenes):
        return torch.stack(list(scenes)), None
    block = torch.stack(
        [torch.cat([scene, scene.new_zeros(most - len(scene), scene.shape[1])]) for scene in scenes]
    )
    return block, torch.arange(most, device=lengths.device) >= lengths[:, None]
