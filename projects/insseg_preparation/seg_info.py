# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The folder ``seg_info``, which mmdetection3d's semantic segmentation reads."""

from pathlib import Path

import numpy as np

from .conversion import write_array_if_new


def seg_info(
    sizes: np.ndarray, counts: np.ndarray, *, points_per_sample: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compute how often each scene is drawn, and the weight of each class.

    Args:
        sizes: ``(scenes,)`` number of points.
        counts: ``(scenes, K)`` number of points of each class.
        points_per_sample: Points per sample in mmdetection3d's semantic configs.

    Returns:
        Indices of scenes, each repeated in proportion to its points, int32; weights
        ``1 / ln(1.2 + share)`` of the classes, float32.

    Source: mmdetection3d's converters.
    """
    num_samples = int(sizes.sum() / points_per_sample)
    repeats = np.round(sizes / sizes.sum() * num_samples).astype(np.int64)
    indices = np.repeat(np.arange(len(sizes)), repeats).astype(np.int32)
    share = counts.sum(axis=0).astype(np.float32)
    share /= max(share.sum(), np.float32(1))
    return indices, (1 / np.log(1.2 + share)).astype(np.float32)


def write_seg_info(
    out: Path, split: str, sizes: np.ndarray, counts: np.ndarray, *, points_per_sample: int
) -> None:
    """Write the two arrays of :func:`seg_info` of a split.

    Args:
        out: Folder of the prepared data.
        split: Prefix of the names of the two files.
        sizes: See :func:`seg_info`, also for the arguments below.
        counts: Number of points of each class.
        points_per_sample: Points per sample.
    """
    indices, weights = seg_info(sizes, counts, points_per_sample=points_per_sample)
    write_array_if_new(out / 'seg_info' / f'{split}_resampled_scene_idxs.npy', indices)
    write_array_if_new(out / 'seg_info' / f'{split}_label_weight.npy', weights)
