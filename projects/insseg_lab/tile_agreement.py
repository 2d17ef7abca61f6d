# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Effects of tiles on objects: with known masks, with other seams, and without seams.

A model that finds at most Q objects cannot segment a floor with many more as a whole. Three things
are compared instead: given masks before and after the stitching; the model's objects with seams in
two places, where the model also sees other pieces; and both with the ground truth.
"""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from insseg3d.apis.inferencer import InstanceSeg3DInferencer
from insseg3d.apis.painting import Limits
from insseg3d.apis.tiles import tiles_of
from insseg3d.apis.tiling import TilePoints, Tiling, find_in_tiles, points_of_tiles
from insseg3d.datasets.scannet import ScanNetInsSegDataset
from insseg3d.ops.contingency import instance_codes, map_contingency, map_ious
from insseg3d.ops.grouping.radius_graph import radius_components
from insseg3d.structures import InstanceMap

SAME = 0.9  # IoU
FOUND = 0.5
_STEP = 0.3  # metres between neighbouring points of a connected part
_ACROSS = 0.05  # share of an object beyond a seam from which on it lies across
_LEAST_POINTS = 100  # as benchmarks have it


class Objects(NamedTuple):
    """Objects that share no point: ``(P,)`` int64 object of each point, -1 for none; how many."""

    instance: np.ndarray
    count: int


def read_scene(root: Path, name: str) -> tuple[np.ndarray, Objects]:
    """Read points ``(P, 6)`` and true objects of 100 points and more of a ScanNet scene."""
    points = np.fromfile(root / 'points' / f'{name}.bin', dtype=np.float32).reshape(-1, 6)
    instance, semantic = (
        np.fromfile(root / folder / f'{name}.bin', dtype=np.int64)
        for folder in ('instance_mask', 'semantic_mask')
    )
    instance[~np.isin(semantic, ScanNetInsSegDataset.METAINFO['seg_valid_class_ids'])] = -1
    codes = instance_codes(instance, np.zeros_like(instance), num_classes=1)
    large = np.flatnonzero(codes.sizes >= _LEAST_POINTS)
    number = np.full(len(codes.sizes) + 1, -1)
    number[large] = np.arange(len(large))
    return points, Objects(number[codes.codes], len(large))


def find(inferencer: InstanceSeg3DInferencer, points: np.ndarray, tiling: Tiling | None) -> Objects:
    """Return the objects that the model finds with a tiling."""
    inferencer = copy.copy(inferencer)
    inferencer.tiling = tiling
    result = inferencer(points)
    return Objects(result.instance, len(result))


def put_together(objects: Objects, points: np.ndarray, tiling: Tiling) -> Objects:
    """Cut objects by the tiles, and return the result of stitching them."""
    tiles, home = tiles_of(points, **tiling._asdict())

    def shown(tile: TilePoints) -> tuple[InstanceMap, int, torch.Tensor]:
        inside, instance = np.unique(objects.instance[tile.rows], return_inverse=True)
        has_none = int(inside[0] < 0)
        count = len(inside) - has_none
        found = InstanceMap(
            torch.from_numpy(instance - has_none),
            torch.zeros(count, dtype=torch.long),
            torch.ones(count),
        )
        return found, 0, torch.arange(len(tile.rows))

    parts = points_of_tiles(points, tiles, home, tiling=tiling, voxel_size=None)
    found, _ = find_in_tiles(parts, home, Limits(0.0, 1, 1, 0.5), shown)
    return Objects(found.instance, len(found))


def across_seams(objects: Objects, points: np.ndarray, tiling: Tiling) -> np.ndarray:
    """Return ``(Q,)`` bool: whether a twentieth of an object or more lies beyond a seam."""
    tiles, home = tiles_of(points, **tiling._asdict())
    table = map_contingency(objects.instance, home, num_first=objects.count, num_second=len(tiles))[
        1:
    ]
    return table.max(axis=1) < (1 - _ACROSS) * table.sum(axis=1)


def in_one_part(objects: Objects, points: np.ndarray) -> np.ndarray:
    """Return ``(Q,)`` bool: whether nine tenths of an object are one connected part.

    Other objects are masks of several things. If tiles separate these, nothing joins them again.
    """
    rows = np.flatnonzero(objects.instance >= 0)
    instance = objects.instance[rows]
    part = radius_components(
        torch.from_numpy(points[rows, :3]), torch.from_numpy(instance), radius=_STEP
    ).numpy()
    sizes = np.bincount(part)
    largest = np.zeros(objects.count, dtype=np.int64)
    np.maximum.at(largest, instance, sizes[part])
    return largest >= 0.9 * np.bincount(instance, minlength=objects.count)


def best_ious(first: Objects, second: Objects) -> np.ndarray:
    """Return ``(Q,)`` IoU of each object of the first with the most similar of the second."""
    table = map_ious(
        first.instance, second.instance, num_first=first.count, num_second=second.count
    )
    return table.max(axis=1, initial=0.0)


def compare_tilings(
    inferencer: InstanceSeg3DInferencer, points: np.ndarray, truth: Objects, tiling: Tiling
) -> dict[str, Any]:
    """Make every comparison on a scene that is larger than a tile.

    Returns:
        Rows of :func:`share` by what is compared; see the texts of ``tools/benchmark_tiles.py``.
    """
    other = tiling._replace(shift=(tiling.size - tiling.overlap) / 2)
    found, again = (find(inferencer, points, t) for t in (tiling, other))
    rows = {}
    for name, objects in (('true masks', truth), ("the model's masks", found)):
        ious = np.concatenate(
            [best_ious(objects, put_together(objects, points, t)) for t in (tiling, other)]
        )
        across = np.concatenate([across_seams(objects, points, t) for t in (tiling, other)])
        whole = np.tile(in_one_part(objects, points), 2)
        for which, chosen in (
            ('', slice(None)),
            (', across seams', across),
            (', in one part', whole),
            (', in one part, across seams', whole & across),
        ):
            rows[f'{name} put together{which}'] = share(ious[chosen], SAME)
    ious = best_ious(found, again)
    apart = ~across_seams(found, points, tiling) & ~across_seams(found, points, other)
    for name, chosen in (('', slice(None)), (', across no seam', apart)):
        rows[f'found again with other seams{name}'] = share(ious[chosen], FOUND)
        rows[f'the same with other seams{name}'] = share(ious[chosen], SAME)
    # The same objects twice: where a seam cuts them, and where it does not.
    cut, true_ious = (
        [across_seams(truth, points, t) for t in (tiling, other)],
        [best_ious(truth, objects) for objects in (found, again)],
    )
    one, two = cut[0] & ~cut[1], cut[1] & ~cut[0]
    rows['true objects found'] = share(np.concatenate(true_ious), FOUND)
    rows['of those that one tiling cuts: found there'] = share(
        np.r_[true_ious[0][one], true_ious[1][two]], FOUND
    )
    rows['of those that one tiling cuts: found in the other'] = share(
        np.r_[true_ious[1][one], true_ious[0][two]], FOUND
    )
    return dict(
        tiles=len(tiles_of(points, **tiling._asdict())[0]),
        points=len(points),
        true_objects=truth.count,
        objects=found.count,
        objects_across=int(across_seams(found, points, tiling).sum()),
        rows=rows,
    )


def compare_with_whole(
    inferencer: InstanceSeg3DInferencer, points: np.ndarray, truth: Objects, tiling: Tiling
) -> dict[str, np.ndarray]:
    """Compare tiles with a single piece, on a scene that the model can see as a whole."""
    whole, tiled = (find(inferencer, points, t) for t in (None, tiling))
    return dict(
        same=best_ious(whole, tiled),
        across=across_seams(whole, points, tiling),
        together=best_ious(whole, put_together(whole, points, tiling)),
        true_whole=best_ious(truth, whole),
        true_tiled=best_ious(truth, tiled),
    )


def share(ious: np.ndarray, least: float) -> tuple[int, int, float]:
    """Return the number of IoUs that reach the least, the number of all, and the least."""
    return int((ious >= least).sum()), len(ious), least
