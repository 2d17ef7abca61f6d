# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Variants of a scan as different people would export it, to compare a model on each."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.apis.result import InstanceResult
from insseg3d.datasets.scannet import ScanNetInsSegDataset
from insseg3d.ops.contingency import instance_codes, map_ious
from insseg_scans import Scan

FOUND = 0.5  # IoU above which an object counts as found
_LEAST_POINTS = 100  # as benchmarks have it
_MAP = np.array([500_000, 4_649_776, 100])  # metres; a corner of a city in UTM coordinates
_TURNS = {
    'y up': [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    'y down': [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    'z down': [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    'x up': [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
    'x down': [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
}


class Variant(NamedTuple):
    """A way to hand in a scan.

    Attributes:
        make: Function of coordinates and colours 0..255, both ``(P, 3)`` float64, that returns
            those of the variant.
        reference: Name of the variant in which the model should find the same objects.
    """

    make: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | None]]
    reference: str = 'plain'


class TrueObjects(NamedTuple):
    """Objects of 100 points and more: ``(P,)`` int64 object or -1, ``(G,)`` class of each."""

    instance: np.ndarray
    labels: np.ndarray


def _turned(name: str) -> Variant:
    turn = np.array(_TURNS[name], dtype=np.float64)
    return Variant(lambda coords, colors: (coords @ turn.T, colors))


def _painted(value: float) -> Variant:
    return Variant(lambda coords, colors: (coords, np.full_like(colors, value)), 'no colours')


def _with_one(colors: np.ndarray, value: float) -> np.ndarray:
    colors = colors.copy()
    colors[len(colors) // 2, 1] = value
    return colors


VARIANTS: dict[str, Variant] = {
    'plain': Variant(lambda coords, colors: (coords, colors)),
    'no colours': Variant(lambda coords, colors: (coords, None), 'no colours'),
    **{name: _turned(name) for name in _TURNS},
    'fractions': Variant(lambda coords, colors: (coords, colors / 255)),
    'fractions, one 1.0001': Variant(
        lambda coords, colors: (coords, _with_one(colors / 255, 1.0001))
    ),
    '0..255, one 256': Variant(lambda coords, colors: (coords, _with_one(colors, 256))),
    '16 bits': Variant(lambda coords, colors: (coords, (257 * colors).astype(np.uint16))),
    'map, float64': Variant(lambda coords, colors: (coords + _MAP, colors)),
    'map, float32': Variant(lambda coords, colors: ((coords + _MAP).astype(np.float32), colors)),
    'white': _painted(255),
    'black': _painted(0),
    'red': Variant(
        lambda coords, colors: (coords, np.tile([200.0, 30.0, 30.0], (len(colors), 1))),
        'no colours',
    ),
}


def variant_of(name: str, points: np.ndarray) -> Scan:
    """Make a variant of a prepared scene.

    Args:
        name: Key of ``VARIANTS``.
        points: ``(P, 6)`` x y z in metres, z up, r g b in 0..255.
    """
    points = points.astype(np.float64)
    return Scan(name, *VARIANTS[name].make(points[:, :3], points[:, 3:]))


def read_truth(root: Path, name: str) -> tuple[np.ndarray, TrueObjects]:
    """Read points ``(P, 6)`` and true objects of a prepared scene in the layout of ScanNet."""
    points = np.fromfile(root / 'points' / f'{name}.bin', dtype=np.float32).reshape(-1, 6)
    instance, semantic = (
        np.fromfile(root / folder / f'{name}.bin', dtype=np.int64)
        for folder in ('instance_mask', 'semantic_mask')
    )
    ids = np.asarray(ScanNetInsSegDataset.METAINFO['seg_valid_class_ids'])
    order = np.argsort(ids)
    place = np.searchsorted(ids[order], semantic).clip(max=len(ids) - 1)
    labels = np.where(ids[order][place] == semantic, order[place], -1)
    codes = instance_codes(instance, labels, num_classes=len(ids))
    large = np.flatnonzero(codes.sizes >= _LEAST_POINTS)
    number = np.full(len(codes.sizes) + 1, -1)
    number[large] = np.arange(len(large))
    return points, TrueObjects(number[codes.codes], codes.labels[large])


def piece_of(
    points: np.ndarray, truth: TrueObjects, share: float
) -> tuple[np.ndarray, TrueObjects]:
    """Cut off a scene after its first ``share`` along x, as if no more had been scanned."""
    along = points[:, 0] - points[:, 0].min()
    kept = along <= share * along.max()
    instance = truth.instance[kept]
    sizes = np.bincount(instance[instance >= 0], minlength=len(truth.labels))
    large = np.flatnonzero(sizes >= _LEAST_POINTS)
    number = np.full(len(truth.labels) + 1, -1)
    number[large] = np.arange(len(large))
    return points[kept], TrueObjects(number[instance], truth.labels[large])


def count_found(result: InstanceResult, truth: TrueObjects) -> int:
    """Count the true objects found, with the right class and an IoU above one half."""
    ious = map_ious(
        truth.instance, result.instance, num_first=len(truth.labels), num_second=len(result)
    )
    same = truth.labels[:, None] == result.labels[None]
    return int(((ious > FOUND) & same).any(axis=1).sum())
