# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Operations on rows that share an index: sums, means, maxima, splitting and padding."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .precision import refuse_half


def segment_sum(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Add up the rows of ``values`` with the same index.

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
    """Average the rows of ``values`` with the same index.

    Args:
        values: ``(R, C)`` floating point.
        index: ``(R,)`` int64 in ``[0, S)``.
        counts: ``(S,)`` number of rows with each index.

    Returns:
        ``(S, C)``; a segment without rows is 0.

    Raises:
        TypeError: If ``values`` are float16 or bfloat16.
    """
    refuse_half(values, 'segment_mean: values')
    total = segment_sum(values, index, len(counts))
    return total / counts.clamp(min=1).to(values.dtype)[:, None]


def segment_max(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Compute the largest value of each column over the rows with the same index.

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
    """Concatenate 0 to n - 1 for each n of ``counts``, as ``(sum of counts,)`` int64."""
    starts = counts.cumsum(0) - counts
    return torch.arange(int(counts.sum()), device=counts.device) - starts.repeat_interleave(counts)


def split_rows(values: Tensor, batch_index: Tensor, batch_size: int) -> list[Tensor]:
    """Split packed rows into one tensor per scene.

    Args:
        values: ``(R, ...)`` rows of all scenes.
        batch_index: ``(R,)`` scene of each row, in any order.
        batch_size: B.

    Returns:
        B tensors; rows of a scene keep their order.
    """
    lengths = torch.bincount(batch_index.long(), minlength=batch_size)
    if len(batch_index) > 1 and bool((batch_index[1:] < batch_index[:-1]).any()):
        values = values[torch.sort(batch_index, stable=True).indices]
    return list(values.split(lengths.tolist()))


def pad_rows(scenes: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Stack scenes of unequal length into one block.

    Args:
        scenes: ``(R_b, C)`` rows of each of B scenes.

    Returns:
        ``(B, R, C)`` where R is the length of the longest scene, at least 1; shorter scenes are
        padded with zeros. And ``(B, R)`` bool, whether a row is padding, or None if there is no
        padding. The first row of a scene without rows is zero, but not padding, because attention
        over padding alone is undefined.
    """
    lengths = torch.tensor([max(len(scene), 1) for scene in scenes], device=scenes[0].device)
    most = max(1, *(len(scene) for scene in scenes))
    if all(len(scene) == most for scene in scenes):
        return torch.stack(list(scenes)), None
    block = torch.stack(
        [torch.cat([scene, scene.new_zeros(most - len(scene), scene.shape[1])]) for scene in scenes]
    )
    return block, torch.arange(most, device=lengths.device) >= lengths[:, None]
