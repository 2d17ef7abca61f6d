# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Smooth random fields in space, and the colours of surfaces."""

import numpy as np
from numba import njit

from .materials import BOOKS, FABRIC, IMAGE, SPECKLE, STRIPES, TILES, WOOD


@njit(cache=True)
def _hash(x, y, z, seed):
    """Hash a grid point to a number in [0, 1)."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + seed * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 2246822519) & 0xFFFFFFFF
    return (h ^ (h >> 15)) / 4294967296.0


@njit(cache=True)
def value_noise(x, y, z, seed):
    """Evaluate smooth noise in [0, 1] with features of size one."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - i, y - j, z - k
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (fx if a else 1 - fx) * (fy if b else 1 - fy) * (fz if c else 1 - fz)
                total += weight * _hash(i + a, j + b, k + c, seed)
    return total


@njit(cache=True)
def noise_field(points, size, seed):
    """Evaluate ``value_noise`` at points (P, 3): (P,) float32, features of ``size`` metres."""
    out = np.empty(points.shape[0], np.float32)
    for p in range(points.shape[0]):
        out[p] = value_noise(points[p, 0] / size, points[p, 1] / size, points[p, 2] / size, seed)
    return out


@njit(cache=True)
def _pattern(texture, u, v, scale, seed):
    """Compute the share of the accent colour at (u, v) metres: 0 to 1."""
    if texture == WOOD:
        bend = 0.6 * value_noise(u / 0.4, v / 0.4, 0.5, seed)
        return value_noise(v / scale + 4 * bend, u / (12 * scale), 0.5, seed)
    if texture == FABRIC:
        return 0.5 * value_noise(u / scale, v / scale, 0.5, seed) + 0.5 * value_noise(
            u / (9 * scale), v / (9 * scale), 0.5, seed
        )
    if texture == TILES:
        near_u, near_v = abs(u / scale - round(u / scale)), abs(v / scale - round(v / scale))
        if min(near_u, near_v) * scale < 0.006:
            return 1.0
        return 0.3 * _hash(int(u / scale + 0.5), int(v / scale + 0.5), 0, seed)
    if texture == STRIPES:
        return 0.8 * _hash(int(np.floor(u / scale)), int(v / (8 * scale)), 1, seed)
    if texture == IMAGE:
        return value_noise(u / (2 * scale), v / (2 * scale), 0.5, seed)
    if texture == SPECKLE:
        return value_noise(u / scale, v / scale, 0.5, seed)
    return 0.35 * value_noise(u / (3 * scale), v / (3 * scale), 0.5, seed)


@njit(cache=True)
def paint(surface, uv, rgb, accent, texture, scale, seed, out):
    """Compute the colours of points without lighting.

    Args:
        surface: (P,) int32 index of the surface.
        uv: (P, 2) metres along the surface.
        rgb: (S, 3) main colours.
        accent: (S, 3) second colours.
        texture: (S,) texture numbers.
        scale: (S,) pattern sizes in metres.
        seed: Seed of the patterns.
        out: (P, 3) float32, filled with the colours in place.
    """
    for p in range(surface.shape[0]):
        s = surface[p]
        u, v = uv[p, 0], uv[p, 1]
        share = _pattern(texture[s], u, v, scale[s], seed + s)
        for k in range(3):
            colour = (1 - share) * rgb[s, k] + share * accent[s, k]
            if texture[s] == BOOKS:
                spine = int(np.floor(u / scale[s]))
                colour = 0.25 * colour + 0.75 * (0.1 + 0.8 * _hash(spine, k, 2, seed + s)) * (
                    0.5 + 0.5 * rgb[s, k]
                )
            elif texture[s] == IMAGE:
                colour = 0.4 * colour + 0.6 * value_noise(
                    u / scale[s], v / scale[s], k + 0.5, seed + s + 7 * k
                )
            out[p, k] = colour
