# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Over-segments of a mesh: graph-based segmentation on the angles between vertex normals.

Source: Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation" (2004), which
ScanNet's segmentation of meshes follows too.
"""
import numpy as np
from numba import njit


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals (P, 3) float64 of a mesh."""
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.empty((len(points), 3))
    for k in range(3):
        normals[:, k] = sum(np.bincount(faces[:, m], across[:, k], len(points)) for m in range(3))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def oversegment(points: np.ndarray, faces: np.ndarray, owner: np.ndarray, *, threshold: float,
                least: int) -> np.ndarray:
    """Cut a mesh into smooth pieces.

    Args:
        points: (P, 3) vertices.
        faces: (F, 3) int32.
        owner: (P,) int: edges between vertices of different owners are left out.
        threshold: Felzenszwalb and Huttenlocher's k: greater gives larger pieces.
        least: Pieces of fewer vertices join a neighbour where they touch one.

    Returns:
        (P,) int32, for each vertex one vertex of its piece.
    """
    normals = vertex_normals(points, faces)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[owner[edges[:, 0]] == owner[edges[:, 1]]]
    first, second = edges[:, 0], edges[:, 1]
    step = points[second].astype(np.float64) - points[first]
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    weight = 1.0 - np.einsum('ij,ij->i', normals[first], normals[second])
    convex = np.einsum('ij,ij->i', normals[second], step) > 0
    weight = np.where(convex, weight * weight, weight).astype(np.float32)
    ranks = np.argsort(weight, kind='stable')
    return _join(len(points), edges[ranks], weight[ranks], threshold, least)


@njit(cache=True)
def _find(parent, p):
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True)
def _join(number, edges, weight, threshold, least):
    """Union-find over edges sorted by weight, then the merging of small pieces."""
    parent = np.arange(number).astype(np.int32)
    size = np.ones(number, np.int32)
    limit = np.full(number, threshold)
    for small in range(2):
        for e in range(edges.shape[0]):
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
