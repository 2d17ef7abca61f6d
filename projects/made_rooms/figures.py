# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures by which made rooms are compared with real scans."""

import numpy as np
from scipy.spatial import cKDTree

from .labels.categories import CATEGORIES, INSTANCE_NYU40
from .labels.oversegment import vertex_normals
from .room import Room

# The benchmark ignores objects with fewer vertices.
COUNTED_VERTICES = 100


def occupancy(points: np.ndarray, edge: float) -> tuple[int, float]:
    """Count the occupied voxels; also return how many of the 27 around each are occupied (mean)."""
    grid = np.unique(np.floor(points / edge).astype(np.int64), axis=0)
    grid -= grid.min(axis=0) - 1
    extent = grid.max(axis=0) + 2
    keys = np.ravel_multi_index(tuple(grid.T), extent)
    steps = np.array(
        [
            (i * extent[1] + j) * extent[2] + k
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            for k in (-1, 0, 1)
        ]
    )
    full = np.zeros(int(np.prod(extent)), bool)
    full[keys] = True
    return len(keys), float(sum(full[keys + step].sum() for step in steps) / len(keys))


def benchmark_objects(room: Room) -> list[np.ndarray]:
    """Return the vertex indices of each annotated object of the benchmark's 18 classes."""
    order = np.argsort(room.segments, kind='stable')
    ids, first, counts = np.unique(room.segments[order], return_index=True, return_counts=True)
    objects = []
    for label, segments in room.groups:
        if CATEGORIES[label].nyu40_id in INSTANCE_NYU40:
            rows = np.searchsorted(ids, np.sort(segments))
            objects.append(np.concatenate([order[first[r] : first[r] + counts[r]] for r in rows]))
    return objects


def touching_share(points: np.ndarray, objects: list[np.ndarray], gap: float) -> float:
    """Compute the share of objects with a vertex within ``gap`` metres of another object."""
    trees = [cKDTree(points[o]) for o in objects]
    boxes = [(points[o].min(axis=0) - gap, points[o].max(axis=0) + gap) for o in objects]
    touches = np.zeros(len(objects), bool)
    for i in range(len(objects)):
        for j in range(i):
            if (
                (touches[i] and touches[j])
                or (boxes[i][0] > boxes[j][1]).any()
                or (boxes[j][0] > boxes[i][1]).any()
            ):
                continue
            apart, _ = trees[i].query(points[objects[j]], distance_upper_bound=gap)
            if np.isfinite(apart).any():
                touches[i] = touches[j] = True
    return float(touches.mean()) if len(objects) else 0.0


def sides_seen(room: Room, objects: list[np.ndarray]) -> np.ndarray:
    """Count, for each object, the sides of its bounding box (0 to 6) that the scan shows.

    A side counts if 1 % of the object's vertices lie in its outer quarter and face outwards.
    """
    turn = room.axis_alignment[:3, :3]
    normals, points = vertex_normals(room.points, room.faces) @ turn.T, room.points @ turn.T
    seen = []
    for o in objects:
        low, high = points[o].min(axis=0), points[o].max(axis=0)
        place = (points[o] - low) / np.maximum(high - low, 1e-6)
        above = (normals[o] > 0.7) & (place > 0.75)
        below = (normals[o] < -0.7) & (place < 0.25)
        seen.append(int((np.concatenate([above, below], axis=1).mean(axis=0) > 0.01).sum()))
    return np.array(seen, dtype=np.int64)


def room_figures(room: Room) -> dict[str, float]:
    """Compute all figures of one room; lengths in centimetres."""
    points, total = room.points.astype(np.float64), len(room.points)
    spacing = 100.0 * cKDTree(points).query(points, 2)[0][:, 1]
    low, median, high = np.percentile(spacing, (5, 50, 95))
    fine, neighbours_fine = occupancy(points, 0.02)
    coarse, neighbours_coarse = occupancy(points, 0.04)
    objects = benchmark_objects(room)
    annotated = np.isin(room.segments, np.concatenate([s for _, s in room.groups]))
    pairs = np.unique(np.stack([room.segments, room.owner]), axis=1)
    segments = len(np.unique(room.segments))
    shares = [
        share
        for (label, _), share in zip(room.groups, room.seen, strict=True)
        if CATEGORIES[label].nyu40_id in INSTANCE_NYU40
    ]
    return {
        'vertices': total,
        'faces per vertex': len(room.faces) / total,
        'spacing 5 %': low,
        'spacing 50 %': median,
        'spacing 95 %': high,
        'voxels per vertex, 2 cm': fine / total,
        'neighbours, 2 cm': neighbours_fine,
        'voxels per vertex, 4 cm': coarse / total,
        'neighbours, 4 cm': neighbours_coarse,
        'unannotated share': 1.0 - annotated.mean(),
        'segments': segments,
        'segments across objects': pairs.shape[1] - segments,
        'objects': len(objects),
        'counted share': float(np.mean([len(o) >= COUNTED_VERTICES for o in objects] or [1.0])),
        'touching share': touching_share(points, objects, max(0.03, 0.02 * median)),
        'most sides seen': int(sides_seen(room, objects).max(initial=0)),
        'greatest share seen': float(max(shares, default=0.0)),
    }
