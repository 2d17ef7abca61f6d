# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Over-segments of a mesh: graph-based segmentation on the angles between vertex normals.

Source: Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation" (2004), the
method that ScanNet uses for its meshes.
"""

import numpy as np
from numba import njit
from scipy.spatial import cKDTree


@njit(cache=True)
def vertex_normals(points, faces):
    """Compute the area-weighted normals (P, 3) float64 of points (P, 3) with faces (F, 3)."""
    normals = np.zeros((points.shape[0], 3))
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            points[j, 0] - points[i, 0],
            points[j, 1] - points[i, 1],
            points[j, 2] - points[i, 2],
        )
        vx, vy, vz = (
            points[k, 0] - points[i, 0],
            points[k, 1] - points[i, 1],
            points[k, 2] - points[i, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for m in (i, j, k):
            normals[m, 0] += nx
            normals[m, 1] += ny
            normals[m, 2] += nz
    for p in range(points.shape[0]):
        length = np.sqrt((normals[p] ** 2).sum())
        if length > 0:
            normals[p] /= length
    return normals


@njit(cache=True)
def _weighted_edges(points, faces, owner):
    """Return the edges (E, 2) int32 within one owner and their weights (E,) float32.

    Source: the graph of Felzenszwalb and Huttenlocher, with the angle between normals as weight.
    Convex edges have a smaller weight, because parts of one object mostly meet in them.
    """
    normals = vertex_normals(points, faces)
    edges = np.empty((3 * faces.shape[0], 2), np.int32)
    weight = np.empty(3 * faces.shape[0], np.float32)
    number = 0
    for f in range(faces.shape[0]):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            if owner[a] != owner[b]:
                continue
            same = forward = 0.0
            for m in range(3):
                same += normals[a, m] * normals[b, m]
                forward += normals[b, m] * (points[b, m] - points[a, m])
            turn = max(0.0, 1.0 - same)
            edges[number, 0], edges[number, 1] = a, b
            weight[number] = turn * turn if forward > 0 else turn
            number += 1
    return edges[:number], weight[:number]


def oversegment(
    points: np.ndarray, faces: np.ndarray, owner: np.ndarray, *, threshold: float, least: int
) -> np.ndarray:
    """Cut a mesh into smooth pieces.

    Args:
        points: (P, 3) vertices.
        faces: (F, 3) int32.
        owner: (P,) int; edges between vertices of different owners are left out.
        threshold: Felzenszwalb and Huttenlocher's k; the greater, the larger the pieces.
        least: Pieces of fewer vertices are merged with a neighbour if they touch one.

    Returns:
        (P,) int32, the index of one vertex of each vertex's piece.
    """
    edges, weight = _weighted_edges(points, faces, owner)
    ranks = np.argsort(weight, kind='stable')
    return _join(len(points), edges, weight, ranks, threshold, least)


@njit(cache=True)
def _find(parent, p):
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True)
def _join(number, edges, weight, ranks, threshold, least):
    """Join vertices along edges sorted by weight (union-find), then merge small pieces."""
    parent = np.arange(number).astype(np.int32)
    size = np.ones(number, np.int32)
    limit = np.full(number, threshold)
    for small in range(2):
        for e in ranks:
            a, b = _find(parent, edges[e, 0]), _find(parent, edges[e, 1])
            if a == b:
                continue
            if small:
                join = size[a] < least or size[b] < least
            else:
                join = weight[e] <= limit[a] and weight[e] <= limit[b]
            if join:
                if size[a] < size[b]:
                    a, b = b, a
                parent[b] = a
                size[a] += size[b]
                limit[a] = weight[e] + threshold / size[a]
    for p in range(number):
        parent[p] = _find(parent, p)
    return parent


def mix_segments(
    points: np.ndarray,
    segments: np.ndarray,
    owner: np.ndarray,
    *,
    gap: float,
    share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Extend some pieces into a neighbouring object, as happens in real over-segmentations.

    Args:
        points: (P, 3) vertices.
        segments: (P,) pieces within one owner.
        owner: (P,) objects.
        gap: Greatest distance of two vertices whose pieces count as neighbours, metres.
        share: Share of the pairs of neighbouring pieces that are joined.
        rng: Source of randomness.

    Returns:
        (P,) int32 pieces.
    """
    pairs = cKDTree(points).query_pairs(gap, output_type='ndarray')
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    meeting = np.unique(np.sort(segments[pairs], axis=1), axis=0)
    chosen = meeting[rng.random(len(meeting)) < share]
    target = np.arange(len(points), dtype=np.int32)
    # Each piece is joined to at most one other; otherwise whole rooms could merge.
    free = np.ones(len(points), bool)
    for a, b in chosen:
        if free[a] and free[b]:
            target[a] = b
            free[a] = free[b] = False
    return target[segments]
