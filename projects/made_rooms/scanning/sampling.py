# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Points on surfaces in jittered grids, and the meshes that remain when points are dropped."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from ..shapes.surfaces import Surface


class Samples(NamedTuple):
    """Candidate vertices of all surfaces, surface by surface, u-major within each.

    Attributes:
        points: (P, 3) float32 metres.
        normals: (P, 3) float32, outward.
        uv: (P, 2) float32 metres along the surface.
        fill: (P,) float32, ratio of the area of the sample's cell to the target area, at most 1.
        surface: (P,) int32, index of the surface.
        start: (S,) int64, first sample of each surface.
        shape: (S, 2) int64, number of samples along u and v.
        closed: (S,) bool, whether u wraps.
    """

    points: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    fill: np.ndarray
    surface: np.ndarray
    start: np.ndarray
    shape: np.ndarray
    closed: np.ndarray


def sample_surfaces(
    surfaces: Sequence[Surface], spacing: float, jitter: float, rng: np.random.Generator
) -> Samples:
    """Lay a jittered grid of candidate vertices over every surface.

    Args:
        surfaces: Surfaces in room coordinates.
        spacing: Width of a grid cell in metres.
        jitter: Greatest shift of a sample inside its cell, as a share of the cell's width.
        rng: Source of randomness.

    Returns:
        The samples of all surfaces.
    """
    lattices = [s.lattice for s in surfaces]
    packed = np.concatenate([a.reshape(-1, 3) for a in lattices])
    shape = np.array([a.shape[:2] for a in lattices], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(shape.prod(axis=1))[:-1]])
    closed = np.array([s.closed for s in surfaces])
    lengths, knots_u, knots_v, knot_start = _measure(packed, first, shape, closed)
    count = np.maximum(2, np.round(lengths / spacing)).astype(np.int64)
    count[closed, 0] = np.maximum(4, count[closed, 0])
    start = np.concatenate([[0], np.cumsum(count.prod(axis=1))[:-1]])
    total = int(count.prod(axis=1).sum())
    shift = rng.random((total, 2), dtype=np.float32) * (2 * jitter) + np.float32(0.5 - jitter)
    points = np.empty((total, 3), np.float32)
    normals = np.empty((total, 3), np.float32)
    uv = np.empty((total, 2), np.float32)
    fill = np.empty(total, np.float32)
    _sample(
        packed,
        first,
        shape,
        closed,
        count,
        start,
        knots_u,
        knots_v,
        knot_start,
        shift,
        spacing,
        points,
        normals,
        uv,
        fill,
    )
    owner = np.repeat(np.arange(len(surfaces), dtype=np.int32), count.prod(axis=1))
    return Samples(
        points=points,
        normals=normals,
        uv=uv,
        fill=fill,
        surface=owner,
        start=start,
        shape=count,
        closed=closed,
    )


@njit(cache=True)
def _measure(packed, first, shape, closed):
    """Measure the greatest length of each lattice along u and v, and its knots along both.

    The knots are summed over the lines across, so they are nv or nu times too long.
    """
    number = shape.shape[0]
    lengths = np.zeros((number, 2))
    knot_start = np.zeros((number, 2), np.int64)
    total_u = total_v = 0
    for s in range(number):
        knot_start[s, 0], knot_start[s, 1] = total_u, total_v
        total_u += shape[s, 0] + 1
        total_v += shape[s, 1]
    knots_u, knots_v = np.zeros(total_u), np.zeros(total_v)
    for s in range(number):
        nu, nv = shape[s]
        steps = nu if closed[s] else nu - 1
        longest = 0.0
        for j in range(nv):
            length = 0.0
            for i in range(steps):
                a = packed[first[s] + i * nv + j]
                b = packed[first[s] + ((i + 1) % nu) * nv + j]
                step = np.sqrt(((a - b) ** 2).sum())
                length += step
                knots_u[knot_start[s, 0] + i + 1] += step
            longest = max(longest, length)
        lengths[s, 0] = longest
        for i in range(1, steps + 1):
            knots_u[knot_start[s, 0] + i] += knots_u[knot_start[s, 0] + i - 1]
        longest = 0.0
        for i in range(nu):
            length = 0.0
            for j in range(nv - 1):
                a = packed[first[s] + i * nv + j]
                b = packed[first[s] + i * nv + j + 1]
                step = np.sqrt(((a - b) ** 2).sum())
                length += step
                knots_v[knot_start[s, 1] + j + 1] += step
            longest = max(longest, length)
        lengths[s, 1] = longest
        for j in range(1, nv):
            knots_v[knot_start[s, 1] + j] += knots_v[knot_start[s, 1] + j - 1]
    return lengths, knots_u, knots_v, knot_start


@njit(cache=True)
def _locate(knots, begin, steps, share):
    """Find the cell of a share (0 to 1) of a knotted length, and the position within the cell."""
    target = share * knots[begin + steps]
    cell = 0
    while cell < steps - 1 and knots[begin + cell + 1] < target:
        cell += 1
    width = knots[begin + cell + 1] - knots[begin + cell]
    inside = (target - knots[begin + cell]) / width if width > 0 else 0.5
    return cell, min(max(inside, 0.0), 1.0), width


@njit(cache=True)
def _sample(
    packed,
    first,
    shape,
    closed,
    count,
    start,
    knots_u,
    knots_v,
    knot_start,
    shift,
    spacing,
    points,
    normals,
    uv,
    fill,
):
    """Evaluate the bilinear patches on the jittered grid; fill the last four arrays in place."""
    for s in range(shape.shape[0]):
        nu, nv = shape[s]
        steps = nu if closed[s] else nu - 1
        begin_u, begin_v = knot_start[s]
        length_u, length_v = knots_u[begin_u + steps], knots_v[begin_v + nv - 1]
        for i in range(count[s, 0]):
            for j in range(count[s, 1]):
                p = start[s] + i * count[s, 1] + j
                share_u = (i + shift[p, 0]) / count[s, 0]
                share_v = (j + shift[p, 1]) / count[s, 1]
                a, x, wide_u = _locate(knots_u, begin_u, steps, share_u)
                b, y, wide_v = _locate(knots_v, begin_v, nv - 1, share_v)
                row = first[s] + a * nv + b
                following = first[s] + ((a + 1) % nu) * nv + b
                du, dv = np.empty(3), np.empty(3)
                for k in range(3):
                    p00, p01 = packed[row, k], packed[row + 1, k]
                    p10, p11 = packed[following, k], packed[following + 1, k]
                    points[p, k] = (1 - x) * ((1 - y) * p00 + y * p01) + x * (
                        (1 - y) * p10 + y * p11
                    )
                    du[k] = (1 - y) * (p10 - p00) + y * (p11 - p01)
                    dv[k] = (1 - x) * (p01 - p00) + x * (p11 - p10)
                n0 = du[1] * dv[2] - du[2] * dv[1]
                n1 = du[2] * dv[0] - du[0] * dv[2]
                n2 = du[0] * dv[1] - du[1] * dv[0]
                area = np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
                size = max(area, 1e-12)
                normals[p, 0], normals[p, 1], normals[p, 2] = n0 / size, n1 / size, n2 / size
                uv[p, 0], uv[p, 1] = share_u * length_u / nv, share_v * length_v / nu
                cell = 0.0
                if wide_u > 0 and wide_v > 0:
                    cell = (
                        area / (wide_u * wide_v) * length_u * length_v / (count[s, 0] * count[s, 1])
                    )
                fill[p] = min(1.0, cell / (spacing * spacing))


@njit(cache=True)
def build_mesh(points, normals, state, order, start, shape, closed, longest):
    """Build triangles from the kept vertices; dropped ones collapse into a kept neighbour.

    Args:
        points: (P, 3) candidate vertices.
        normals: (P, 3) normals of the vertices; no triangle faces away from them.
        state: (P,) uint8: 0 not seen, 1 seen but dropped, 2 kept.
        order: (P,) uint8 random numbers that choose the neighbour and the diagonals.
        start: (S,) first sample of each surface.
        shape: (S, 2) number of samples along u and v.
        closed: (S,) whether u wraps.
        longest: Greatest length of a triangle's edge, metres.

    Returns:
        Faces (F, 3) int32 into ``points``.
    """
    target = np.full(points.shape[0], -1, np.int32)
    faces = np.empty((2 * points.shape[0], 3), np.int32)
    number = 0
    limit = longest * longest
    for s in range(shape.shape[0]):
        nu, nv = shape[s]
        for turn in range(2):
            for i in range(nu):
                for j in range(nv):
                    p = start[s] + i * nv + j
                    if state[p] == 2:
                        target[p] = p
                    elif state[p] == 1 and target[p] < 0:
                        for k in range(8):
                            side = (k + order[p]) % 8
                            di = (-1, 1, 0, 0, -1, 1, 1, -1)[side]
                            dj = (0, 0, -1, 1, -1, 1, -1, 1)[side]
                            ni, nj = i + di, j + dj
                            if closed[s]:
                                ni = ni % nu
                            if ni < 0 or nj < 0 or ni >= nu or nj >= nv:
                                continue
                            q = start[s] + ni * nv + nj
                            if state[q] == 2 or (turn == 1 and target[q] >= 0):
                                target[p] = q if state[q] == 2 else target[q]
                                break
        for i in range(nu if closed[s] else nu - 1):
            for j in range(nv - 1):
                a = target[start[s] + i * nv + j]
                b = target[start[s] + ((i + 1) % nu) * nv + j]
                c = target[start[s] + ((i + 1) % nu) * nv + j + 1]
                d = target[start[s] + i * nv + j + 1]
                if order[start[s] + i * nv + j] & 1:
                    number = _face(points, normals, a, b, c, limit, faces, number)
                    number = _face(points, normals, a, c, d, limit, faces, number)
                else:
                    number = _face(points, normals, a, b, d, limit, faces, number)
                    number = _face(points, normals, b, c, d, limit, faces, number)
    return faces[:number].copy()


@njit(cache=True)
def _face(points, normals, a, b, c, limit, faces, number):
    """Append a triangle, unless it is degenerate, unseen, too long or folded over."""
    if a < 0 or b < 0 or c < 0 or a == b or b == c or a == c:
        return number
    for one, other in ((a, b), (b, c), (c, a)):
        length = 0.0
        for k in range(3):
            length += (points[one, k] - points[other, k]) ** 2
        if length > limit:
            return number
    ux, uy, uz = (
        points[b, 0] - points[a, 0],
        points[b, 1] - points[a, 1],
        points[b, 2] - points[a, 2],
    )
    vx, vy, vz = (
        points[c, 0] - points[a, 0],
        points[c, 1] - points[a, 1],
        points[c, 2] - points[a, 2],
    )
    along = (
        (uy * vz - uz * vy) * (normals[a, 0] + normals[b, 0] + normals[c, 0])
        + (uz * vx - ux * vz) * (normals[a, 1] + normals[b, 1] + normals[c, 1])
        + (ux * vy - uy * vx) * (normals[a, 2] + normals[b, 2] + normals[c, 2])
    )
    if along <= 0.0:
        return number
    faces[number, 0], faces[number, 1], faces[number, 2] = a, b, c
    return number + 1
