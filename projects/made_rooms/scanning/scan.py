# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scan of a room's surfaces: what the depth cameras saw, with noise, holes and colours."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.special import ndtri

from ..shapes.noise import noise_field, paint
from ..shapes.surfaces import Surface
from .depth import look_at, observe, render_depth, triangles_of
from .sampling import Samples, build_mesh, sample_surfaces
from .wear import Wear, wear_colors, wear_shapes

_IMAGE = (144, 192)  # height, width of the depth images, pixels
_FOCAL = 168.0  # focal length of these images, pixels: 60 degrees wide
_LIGHT_PIXELS = 96
_GLASS = 0.4  # share that a depth camera misses of glass, at least

# Ratio of a grid cell's width to the target median distance to the nearest vertex.
_CELL = 1.27


class Scan(NamedTuple):
    """The mesh of a scan in room coordinates.

    Attributes:
        points: (P, 3) float32 metres.
        colors: (P, 3) uint8.
        faces: (F, 3) int32.
        surface: (P,) int32, index of the surface that each vertex lies on.
        distance: (P,) float32, distance to the nearest camera that saw it, metres.
        seen: (S, 2) float64, seen and total area of each surface, square metres.
    """

    points: np.ndarray
    colors: np.ndarray
    faces: np.ndarray
    surface: np.ndarray
    distance: np.ndarray
    seen: np.ndarray


def scan_surfaces(
    surfaces: Sequence[Surface],
    cameras: np.ndarray,
    lights: np.ndarray,
    rng: np.random.Generator,
    *,
    spacing: float,
    reach: float = 4.2,
    wear: Wear | None = None,
) -> Scan:
    """Scan surfaces.

    Args:
        surfaces: All surfaces of the room.
        cameras: (N, 12) poses of the cameras, see ``look_at``.
        lights: (L, 3) positions of lamps.
        rng: Source of randomness.
        spacing: Target median distance of a vertex to its nearest neighbour, metres.
        reach: Range of the cameras, metres.
        wear: Ranges of the marks of the recording; None for a clean scan.

    Returns:
        The mesh of everything that at least two cameras saw.
    """
    triangles = triangles_of(surfaces)
    samples = sample_surfaces(surfaces, _CELL * spacing, 0.36, rng)
    views, nearest = _look(triangles, samples, cameras, reach)
    state = _survivors(surfaces, samples, views, nearest, rng)
    order = rng.integers(0, 256, len(samples.points), dtype=np.uint8)
    faces = build_mesh(
        samples.points,
        samples.normals,
        state,
        order,
        samples.start,
        samples.shape,
        samples.closed,
        4.2 * _CELL * spacing,
    )
    index, faces = _in_blocks(samples.points, faces, order)
    points, normals, surface = (
        part[index] for part in (samples.points, samples.normals, samples.surface)
    )
    colors = _colours(surfaces, surface, samples.uv[index], points, normals, triangles, lights, rng)
    points = _disturb(points, normals, nearest[index], rng)
    if wear is not None:
        points, colors = _worn(points, normals, faces, colors, surface, surfaces, wear, rng)
    area = samples.fill * (_CELL * spacing) ** 2
    seen = np.stack(
        [np.bincount(samples.surface, area * share, len(surfaces)) for share in (views >= 2, 1.0)],
        axis=1,
    )
    return Scan(
        points=points,
        colors=colors,
        faces=faces,
        surface=surface,
        distance=nearest[index],
        seen=seen,
    )


def _worn(
    points, normals, faces, colors, surface, surfaces, wear, rng
) -> tuple[np.ndarray, np.ndarray]:
    """Leave the marks of a recording in points and colours.

    They have a generator of their own: what follows is drawn as for a clean scan.
    """
    (own,) = rng.spawn(1)
    drawn = wear.draw(own)
    glass = np.array([s.material.dropout >= _GLASS for s in surfaces])
    colors = wear_colors(colors, points, surface, glass, drawn, own)
    return wear_shapes(points, normals, faces, drawn, own), colors


def _look(
    triangles: np.ndarray, samples: Samples, cameras: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of views (P,) uint8 of each sample, and its least distance (P,) float32."""
    count = len(samples.points)
    views, nearest = np.zeros(count, np.uint8), np.full(count, np.inf, np.float32)
    for camera in cameras:
        image = render_depth(triangles, camera, _FOCAL, *_IMAGE)
        observe(samples.points, samples.normals, camera, image, _FOCAL, reach, views, nearest)
    return views, nearest


def _in_blocks(
    points: np.ndarray, faces: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Drop unused vertices and sort the others by blocks of 20 cm, in random order within a block.

    As in real scans, the order of vertices follows space, not objects.

    Returns:
        Indices of the vertices, and the renumbered faces in the order of their first vertex.
    """
    used = np.zeros(len(points), bool)
    used[faces.ravel()] = True
    index = np.flatnonzero(used)
    blocks = np.floor(points[index] / 0.2).astype(np.int64)
    index = index[np.lexsort((order[index], blocks[:, 2], blocks[:, 1], blocks[:, 0]))]
    renumber = np.full(len(points), -1, np.int32)
    renumber[index] = np.arange(len(index), dtype=np.int32)
    faces = renumber[faces]
    return index, faces[np.argsort(faces.min(axis=1), kind='stable')]


def _survivors(surfaces, samples, views, nearest, rng) -> np.ndarray:
    """Draw the state (P,) uint8 of each sample: 0 not seen, 1 seen but thinned out, 2 kept."""
    count, seed = len(views), int(rng.integers(2**31))
    dropout = np.array([s.material.dropout for s in surfaces])
    missed = ndtri(np.clip(dropout, 0.004, 0.9)).astype(np.float32) * np.float32(0.16)
    seen = np.flatnonzero(views >= 2)
    points = samples.points[seen]
    fine = noise_field(points, 0.05, seed + 3) - 0.5
    holes = noise_field(points, 0.16, seed) + 0.3 * fine < 0.5 + missed[samples.surface[seen]]
    holes |= noise_field(points, 0.5, seed + 1) + 0.1 * fine < 0.14
    seen, points = seen[~holes], points[~holes]
    far = np.clip((nearest[seen] - 0.8) / 2.2, 0.0, 1.0)
    density = (1.0 - 0.55 * far) * (0.3 + 1.4 * noise_field(points, 0.25, seed + 2))
    density *= samples.fill[seen]
    state = np.zeros(count, np.uint8)
    state[seen] = 1 + (rng.random(len(seen), dtype=np.float32) < density)
    return state


def _disturb(points, normals, distance, rng) -> np.ndarray:
    """Add the noise of sensor and fusion: smooth along the normal, rough in all directions."""
    seed = int(rng.integers(2**31))
    along = 0.014 * (noise_field(points, 0.6, seed) - 0.5)
    along += 0.012 * (noise_field(points, 0.11, seed + 1) - 0.5)
    along += (0.0007 + 0.0006 * distance) * rng.standard_normal(len(points), dtype=np.float32)
    rough = 0.0006 * rng.standard_normal(points.shape, dtype=np.float32)
    return (points + along[:, None] * normals + rough).astype(np.float32)


@njit(cache=True)
def _shine(points, normals, camera, image, light, reach):
    """Add the light of a lamp to the points in one of the views from it.

    ``light`` (P, 2) float32 is filled in place: the light by angle and distance, and whether it
    reaches the point.
    """
    half = 0.5 * image.shape[0]
    for p in range(points.shape[0]):
        a = points[p, 0] - camera[0]
        b = points[p, 1] - camera[1]
        c = points[p, 2] - camera[2]
        z = a * camera[9] + b * camera[10] + c * camera[11]
        if z < 0.05:
            continue
        x = (a * camera[3] + b * camera[4] + c * camera[5]) / z
        y = (a * camera[6] + b * camera[7] + c * camera[8]) / z
        if x < -1 or x >= 1 or y < -1 or y >= 1:
            continue
        if z > image[int((y + 1) * half), int((x + 1) * half)] + 0.05 + 0.02 * z:
            continue
        squared = a * a + b * b + c * c
        facing = -(a * normals[p, 0] + b * normals[p, 1] + c * normals[p, 2]) / np.sqrt(squared)
        if facing > 0:
            light[p, 0] += facing * reach / (reach + squared)
        light[p, 1] += 1.0


def _colours(surfaces, surface, uv, points, normals, triangles, lights, rng) -> np.ndarray:
    """Compute the colours (P, 3) uint8: material, lamps with shadows, exposure, camera noise."""
    materials = [s.material for s in surfaces]
    albedo = np.empty((len(points), 3), np.float32)
    seed = int(rng.integers(2**30))
    rgb, accent, texture, scale = (
        np.array([getattr(material, name) for material in materials])
        for name in ('rgb', 'accent', 'texture', 'scale')
    )
    paint(surface, uv, rgb, accent, texture, scale, seed, albedo)
    light = np.zeros((len(points), 2), np.float32)
    aims = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0.001, 0, -1]], np.float64)
    for lamp in lights:
        eyes = np.broadcast_to(lamp, (5, 3))
        for camera in look_at(eyes, eyes + aims):
            image = render_depth(
                triangles, camera, 0.5 * _LIGHT_PIXELS, _LIGHT_PIXELS, _LIGHT_PIXELS
            )
            _shine(points, normals, camera, image, light, 3.0)
    light /= max(len(lights), 1)
    ambient = rng.uniform(0.30, 0.45)
    shade = ambient * (0.55 + 0.45 * light[:, 1]) + 0.25 * ambient * normals[:, 2]
    shade += rng.uniform(0.8, 1.15) * light[:, 0]
    shade *= 0.88 + 0.24 * noise_field(points, 0.7, seed + 1)
    tint = 1.0 + rng.uniform(-0.09, 0.09, 3).astype(np.float32)
    # Automatic exposure of the camera, and its tone curve.
    gain = rng.uniform(0.24, 0.36) / max(float(np.median(albedo.mean(axis=1) * shade)), 0.02)
    colour = np.maximum(albedo * shade[:, None] * tint * np.clip(gain, 0.5, 3.0), 0.0) ** 0.75
    colour += 0.02 * rng.standard_normal(colour.shape, dtype=np.float32)
    colour += 0.015 * rng.standard_normal((len(points), 1), dtype=np.float32)
    return np.clip(255.0 * colour, 0, 255).astype(np.uint8)
