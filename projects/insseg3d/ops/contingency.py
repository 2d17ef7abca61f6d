# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Counts of the points that masks and labelled objects share, the basis of mask metrics."""

from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional

_DENSE_KEYS_PER_POINT = 8
_LARGEST_KEY = 2**63 - 1


class InstanceCodes(NamedTuple):
    """The annotation of a scene as one object index per point.

    Attributes:
        codes: ``(P,)`` intp in [0, G]; the value G marks points that belong to no object (void).
        labels: ``(G,)`` int64 class of each object, ascending.
        ids: ``(G,)`` int64 annotated instance number of each object, ascending within a class.
        sizes: ``(G,)`` int64 number of points of each object.
    """

    codes: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    sizes: np.ndarray


def instance_codes(
    instance: np.ndarray, semantic: np.ndarray, *, num_classes: int
) -> InstanceCodes:
    """Number the objects of a scene by (class, instance).

    An object is a distinct pair of class and instance number. Points of a class outside
    [0, num_classes) or with a negative instance number are void.

    Args:
        instance: ``(P,)`` integers, instance number per point, negative for none.
        semantic: ``(P,)`` integers, class per point.
        num_classes: K.
    """
    instance = np.asarray(instance, dtype=np.int64)
    semantic = np.asarray(semantic, dtype=np.int64)
    valid = (instance >= 0) & (semantic >= 0) & (semantic < num_classes)
    stride = int(instance.max(initial=0)) + 1
    numbers, given = None, instance[valid]
    if num_classes * stride > _LARGEST_KEY:  # 64-bit ids, such as hashes
        numbers, given = np.unique(given, return_inverse=True)
        stride = len(numbers) + 1
    keys = semantic[valid] * stride + given
    if num_classes * stride <= _DENSE_KEYS_PER_POINT * max(len(instance), 1024):
        # Small keys, the usual case: counting is ten times faster than sorting.
        counts = np.bincount(keys, minlength=num_classes * stride)
        distinct = np.flatnonzero(counts)
        sizes = counts[distinct]
        rank = np.zeros(num_classes * stride, dtype=np.intp)
        rank[distinct] = np.arange(len(distinct))
        inverse = rank[keys]
    else:
        distinct, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    codes = np.full(len(instance), len(distinct), dtype=np.intp)
    codes[valid] = inverse
    ids = distinct % stride
    return InstanceCodes(
        codes=codes,
        labels=(distinct // stride).astype(np.int64),
        ids=(ids if numbers is None else numbers[ids]).astype(np.int64),
        sizes=sizes.astype(np.int64),
    )


def mask_contingency(masks: np.ndarray, codes: np.ndarray, *, num_codes: int) -> np.ndarray:
    """Count the points of every mask for every code.

    Masks may overlap. They are processed row by row, which limits memory to the points of a mask.

    Args:
        masks: ``(Q, P)`` bool or numbers (non-zero = inside).
        codes: ``(P,)`` intp in [0, num_codes).
        num_codes: Number of columns of the table.

    Returns:
        ``(Q, num_codes)`` int64.
    """
    table = np.zeros((len(masks), num_codes), dtype=np.int64)
    for row, mask in zip(table, masks):
        row[:] = np.bincount(codes[np.flatnonzero(mask)], minlength=num_codes)
    return table


def map_contingency(
    first: np.ndarray, second: np.ndarray, *, num_first: int, num_second: int
) -> np.ndarray:
    """Count the points that the objects of two maps without overlaps have in common.

    Args:
        first: ``(P,)`` integers in [-1, num_first), the object of each point, -1 for none.
        second: ``(P,)`` integers in [-1, num_second), likewise.
        num_first: Number of objects of the first map.
        num_second: Number of objects of the second map.

    Returns:
        ``(num_first + 1, num_second + 1)`` int64; the first row and column count points without
        an object.
    """
    width = num_second + 1
    keys = (first + 1).astype(np.int64) * width + second + 1
    return np.bincount(keys, minlength=(num_first + 1) * width).reshape(num_first + 1, width)


def map_ious(
    first: np.ndarray, second: np.ndarray, *, num_first: int, num_second: int
) -> np.ndarray:
    """Compute ``(num_first, num_second)`` IoU of two maps' objects; see :func:`map_contingency`."""
    table = map_contingency(first, second, num_first=num_first, num_second=num_second)
    inter = table[1:, 1:]
    union = table.sum(axis=1)[1:, None] + table.sum(axis=0)[None, 1:] - inter
    return inter / np.maximum(union, 1)


def pack_masks(masks: Tensor) -> Tensor:
    """Pack eight points into a byte on the masks' device, which shortens the transfer to the host.

    Args:
        masks: ``(Q, P)`` bool.

    Returns:
        ``(Q, ceil(P / 8))`` uint8, the same as ``numpy.packbits(masks, axis=1)``.
    """
    num_masks, num_points = masks.shape
    bits = functional.pad(masks, (0, -num_points % 8)).view(num_masks, -(-num_points // 8), 8)
    packed = bits[..., 0].byte() << 7
    for bit in range(1, 8):
        packed |= bits[..., bit].byte() << (7 - bit)
    return packed
