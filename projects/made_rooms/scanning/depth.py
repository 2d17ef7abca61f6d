# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Depth images of surfaces, and the points that a pinhole camera sees.

A camera is a row of 12 numbers: its centre (3) and the rows of its rotation (9), which are right,
down and forward. Depth is measured along ``forward``.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from ..shapes.surfaces import Surface

NEAR = 0.05


def triangles_of(surfaces: Sequence[Surface]) -> np.ndarray:
    """Split the lattices' cells into triangles (n, 3, 3)."""
    out = []
    for surface in surfaces:
        lattice = surface.lattice
        if surface.closed:
            lattice = np.concatenate([lattice, lattice[:1]])
        a, b, c, d = lattice[:-1, :-1], lattice[1:, :-1], lattice[1:, 1:], lattice[:-1, 1:]
        out.append(np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)]).reshape(-1, 3, 3))
    return np.concatenate(out)


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return upright cameras (n, 12) at ``eye`` (n, 3) that look at ``target`` (n, 3)."""
    forward = target - eye
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-9)
    return np.concatenate([eye, right, np.cross(forward, right), forward], axis=1)


@njit(cache=True)
def _fill_triangle(image, x, y, w, focal, cx, cy):
    """Draw one triangle of a clipped polygon: x and y in the image, w inverse depth."""
    height, width = image.shape
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if abs(area) < 1e-12:
        return
    low_x = max(0, int(np.ceil(min(x[0], x[1], x[2]) - 0.5)))
    high_x = min(width - 1, int(np.floor(max(x[0], x[1], x[2]) - 0.5)))
    low_y = max(0, int(np.ceil(min(y[0], y[1], y[2]) - 0.5)))
    high_y = min(height - 1, int(np.floor(max(y[0], y[1], y[2]) - 0.5)))
    inverse = 1.0 / area
    for row in range(low_y, high_y + 1):
        py = row + 0.5
        for column in range(low_x, high_x + 1):
            px = column + 0.5
            b1 = ((px - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (py - y[0])) * inverse
            b2 = ((x[1] - x[0]) * (py - y[0]) - (px - x[0]) * (y[1] - y[0])) * inverse
            b0 = 1.0 - b1 - b2
            if b0 >= 0.0 and b1 >= 0.0 and b2 >= 0.0:
                depth = 1.0 / (b0 * w[0] + b1 * w[1] + b2 * w[2])
                if depth < image[row, column]:
                    image[row, column] = depth


@njit(cache=True)
def render_depth(triangles, camera, focal, height, width):
    """Render the depth (height, width) float64 of triangles (n, 3, 3); infinity where none is."""
    image = np.full((height, width), np.inf)
    cx, cy = 0.5 * width, 0.5 * height
    corner = np.empty((3, 3))
    clipped = np.empty((4, 3))
    x, y, w = np.empty(4), np.empty(4), np.empty(4)
    tx, ty, tw = np.empty(3), np.empty(3), np.empty(3)
    for t in range(triangles.shape[0]):
        in_front = 0
        for k in range(3):
            a = triangles[t, k, 0] - camera[0]
            b = triangles[t, k, 1] - camera[1]
            c = triangles[t, k, 2] - camera[2]
            corner[k, 0] = a * camera[3] + b * camera[4] + c * camera[5]
            corner[k, 1] = a * camera[6] + b * camera[7] + c * camera[8]
            corner[k, 2] = a * camera[9] + b * camera[10] + c * camera[11]
            in_front += corner[k, 2] > NEAR
        if in_front == 0:
            continue
        n = 0
        for k in range(3):
            following = (k + 1) % 3
            z0, z1 = corner[k, 2], corner[following, 2]
            if z0 > NEAR:
                clipped[n] = corner[k]
                n += 1
            if (z0 > NEAR) != (z1 > NEAR):
                s = (NEAR - z0) / (z1 - z0)
                clipped[n] = corner[k] + s * (corner[following] - corner[k])
                n += 1
        left = right = above = below = 0
        for k in range(n):
            w[k] = 1.0 / clipped[k, 2]
            x[k] = focal * clipped[k, 0] * w[k] + cx
            y[k] = focal * clipped[k, 1] * w[k] + cy
            left += x[k] < 0
            right += x[k] > width
            above += y[k] < 0
            below += y[k] > height
        if left == n or right == n or above == n or below == n:
            continue
        for k in range(1, n - 1):
            tx[0], ty[0], tw[0] = x[0], y[0], w[0]
            tx[1], ty[1], tw[1] = x[k], y[k], w[k]
            tx[2], ty[2], tw[2] = x[k + 1], y[k + 1], w[k + 1]
            _fill_triangle(image, tx, ty, tw, focal, cx, cy)
    return image


@njit(cache=True)
def observe(points, normals, camera, image, focal, reach, views, nearest):
    """Record the points that a camera sees.

    A point is seen if it is in the image and nearer than ``reach``, faces the camera at more than
    a grazing angle, and is not behind the surface in the depth image.

    Args:
        points: (P, 3) float32.
        normals: (P, 3) float32, outward, unit length.
        camera: (12,) float64.
        image: Depth image of the same camera.
        focal: Focal length in pixels.
        reach: Greatest depth in metres.
        views: (P,) uint8, increased by one for each point seen.
        nearest: (P,) float32, lowered to the distance of each point seen, metres.
    """
    height, width = image.shape
    for p in range(points.shape[0]):
        a = points[p, 0] - camera[0]
        b = points[p, 1] - camera[1]
        c = points[p, 2] - camera[2]
        z = a * camera[9] + b * camera[10] + c * camera[11]
        if z < 0.3 or z > reach:
            continue
        column = int(
            np.floor(focal * (a * camera[3] + b * camera[4] + c * camera[5]) / z + 0.5 * width)
        )
        row = int(
            np.floor(focal * (a * camera[6] + b * camera[7] + c * camera[8]) / z + 0.5 * height)
        )
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        distance = np.sqrt(a * a + b * b + c * c)
        facing = -(a * normals[p, 0] + b * normals[p, 1] + c * normals[p, 2]) / distance
        if facing < 0.14:
            continue
        # Range of depths that a slanted surface covers within one pixel.
        slack = 0.008 + 0.8 * z / focal * np.sqrt(1.0 - facing * facing) / facing
        if z <= image[row, column] + slack:
            if views[p] < 255:
                views[p] += 1
            if distance < nearest[p]:
                nearest[p] = distance
