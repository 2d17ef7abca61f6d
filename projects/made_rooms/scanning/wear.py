# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Traces that a real recording leaves in a scan: bent shapes, double layers, uneven colours.

Each scene draws its own strengths from the ranges of a :class:`Wear`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..shapes.noise import noise_field, value_noise

Range = tuple[float, float]


class Wear(NamedTuple):
    """Ranges from which a scene draws how strongly a recording has marked it. 0 is nothing.

    Attributes:
        drift: Shift of whole regions of 1.5 to 4 m in any direction, metres, because the pose of
            the camera drifts.
        bend: Rise and fall of the scene over 3 to 6 m, metres.
        waves: Waves of 0.6 to 1.2 m along the normal, metres; three times as high on walls as on
            floors.
        ripples: The same with 0.15 to 0.3 m.
        grain: Noise of each vertex along the normal, metres.
        layers: Share of the surfaces that occur twice.
        gap: Distance of the two, metres.
        smoothing: Rounds in which each vertex moves towards the mean of its neighbours.
        exposure: Change of the exposure along the walk, stops.
        pattern: Contrast of patterns of 0.1 to 0.8 m, different on each surface.
        edges: Factor of the slopes of these patterns, up to which a surface draws its own. 1 is
            smooth; with more, patterns are areas of two colours.
        contrast: Factor of the contrast of the scene.
        saturation: Factor of its saturation.
        balance: Deviation of the gain of each channel.
        gain: Change of the brightness of the whole scene, stops.
        glow: Additional brightness of glass, behind which it is day, stops.
    """

    drift: Range
    bend: Range
    waves: Range
    ripples: Range
    grain: Range
    layers: Range
    gap: Range
    smoothing: Range
    exposure: Range
    pattern: Range
    edges: Range
    contrast: Range
    saturation: Range
    balance: Range
    gain: Range
    glow: Range

    def draw(self, rng: np.random.Generator) -> 'Wear':
        """Draw the strengths of one scene: the same fields, with a number each."""
        return Wear(*(float(rng.uniform(*values)) for values in self))


HAND_HELD = Wear(
    drift=(0.0, 0.12),
    bend=(0.03, 0.24),
    waves=(0.01, 0.05),
    ripples=(0.003, 0.016),
    grain=(0.001, 0.004),
    layers=(0.0, 0.3),
    gap=(0.02, 0.1),
    smoothing=(0.0, 3.0),
    exposure=(0.2, 1.2),
    pattern=(0.3, 1.3),
    edges=(1.0, 8.0),
    contrast=(0.8, 1.5),
    saturation=(0.5, 1.4),
    balance=(0.02, 0.18),
    gain=(-0.9, 0.7),
    glow=(0.0, 2.5),
)
"""A depth camera held in the hand, as in ScanNet."""

PHONE = Wear(
    drift=(0.0, 0.05),
    bend=(0.0, 0.06),
    waves=(0.0, 0.015),
    ripples=(0.0, 0.01),
    grain=(0.0, 0.001),
    layers=(0.0, 0.0),
    gap=(0.0, 0.0),
    smoothing=(4.0, 12.0),
    exposure=(0.0, 0.5),
    pattern=(0.0, 0.6),
    edges=(1.0, 3.0),
    contrast=(0.9, 1.3),
    saturation=(0.9, 1.5),
    balance=(0.0, 0.06),
    gain=(-0.3, 0.5),
    glow=(0.5, 2.5),
)
"""A phone with a depth sensor: little noise, but thin things and edges are rounded off."""


def wear_shapes(
    points: np.ndarray,
    normals: np.ndarray,
    faces: np.ndarray,
    wear: Wear,
    rng: np.random.Generator,
) -> np.ndarray:
    """Move the vertices of a mesh.

    Args:
        points: ``(P, 3)`` float32 metres.
        normals: ``(P, 3)``.
        faces: ``(F, 3)``.
        wear: Strengths of this scene.
        rng: Source of randomness.

    Returns:
        ``(P, 3)`` float32.
    """
    moved = _smoothed(points, faces, wear.smoothing)
    steep = 1 + 2 * (1 - normals[:, 2] ** 2)
    along = 2 * wear.waves * steep * _field(points, rng.uniform(0.6, 1.2), rng)
    along += 2 * wear.ripples * steep * _field(points, rng.uniform(0.15, 0.3), rng)
    along += wear.grain * rng.standard_normal(len(points), dtype=np.float32)
    double = _field(points, 0.7, rng) + 0.5 < wear.layers
    along += wear.gap * (double & (_field(points, 0.04, rng) > 0))
    moved = moved + along[:, None] * normals
    for axis in range(3):
        moved[:, axis] += 2 * wear.drift * _field(points, rng.uniform(1.5, 4.0), rng)
    moved[:, 2] += 2 * wear.bend * _field(points * (1, 1, 0.2), rng.uniform(3.0, 6.0), rng)
    return moved.astype(np.float32)


def wear_colors(
    colors: np.ndarray,
    points: np.ndarray,
    surface: np.ndarray,
    glass: np.ndarray,
    wear: Wear,
    rng: np.random.Generator,
) -> np.ndarray:
    """Change the colours of vertices.

    Args:
        colors: ``(P, 3)`` uint8.
        points: ``(P, 3)`` metres.
        surface: ``(P,)`` number of the surface of each vertex.
        glass: ``(S,)`` bool, which of the surfaces are glass.
        wear: Strengths of this scene.
        rng: Source of randomness.

    Returns:
        ``(P, 3)`` uint8.
    """
    found = colors.astype(np.float32) / 255
    number = len(glass)
    strength = wear.pattern * rng.uniform(0.3, 1, number).astype(np.float32)
    tint = 1 + 0.5 * rng.standard_normal((number, 3)).astype(np.float32)
    size = np.exp(rng.uniform(np.log(0.1), np.log(0.8), number)).astype(np.float32)
    edges = wear.edges ** rng.uniform(0, 1, number).astype(np.float32)
    pattern = _patterns(points, surface, size, edges, int(rng.integers(2**30)))
    found += (pattern * strength[surface])[:, None] * tint[surface]
    stops = 2 * wear.exposure * _field(points, rng.uniform(1.0, 2.5), rng) + wear.gain
    stops += wear.glow * glass[surface]
    grey = found.mean(axis=1, keepdims=True)
    found = grey + wear.saturation * (found - grey)
    middle = float(np.median(grey)) if len(grey) else 0.0
    found = middle + wear.contrast * (found - middle)
    found = found * np.exp2(stops)[:, None] * (1 + wear.balance * rng.standard_normal(3))
    return np.clip(255 * found, 0, 255).astype(np.uint8)


def _field(points: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Evaluate smooth noise of a feature size, ``(P,)`` in [-0.5, 0.5)."""
    return noise_field(points.astype(np.float32), size, int(rng.integers(2**30))) - np.float32(0.5)


def _smoothed(points: np.ndarray, faces: np.ndarray, rounds: float) -> np.ndarray:
    """Move each vertex half-way towards its neighbours' mean, ``rounds`` times.

    The last round may be a fraction, with a shorter way.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(edges[:, 0], minlength=len(points))[:, None]
    moved = points.astype(np.float64)
    while rounds > 0:
        sums = [
            np.bincount(edges[:, 0], moved[edges[:, 1], axis], len(points)) for axis in range(3)
        ]
        way = np.stack(sums, 1) / np.maximum(degree, 1) - moved
        moved = moved + 0.5 * min(rounds, 1) * np.where(degree > 0, way, 0)
        rounds -= 1
    return moved


@njit(cache=True)
def _patterns(points, surface, size, edges, seed):
    """Evaluate a pattern of its own for each surface, ``(P,)`` in [-0.5, 0.5]."""
    out = np.empty(points.shape[0], np.float32)
    for p in range(points.shape[0]):
        s = surface[p]
        x, y, z = points[p, 0] / size[s], points[p, 1] / size[s], points[p, 2] / size[s]
        value = edges[s] * (value_noise(x, y, z, seed + s) - 0.5)
        out[p] = min(max(value, -0.5), 0.5)
    return out


WEAR: dict[str, Wear | None] = {'plain': None, 'hand-held': HAND_HELD, 'phone': PHONE}
"""Marks of the recording, by name; None for clean scans."""
