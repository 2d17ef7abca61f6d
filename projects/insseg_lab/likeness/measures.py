# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of one labelled scan: extent, colours, roughness of surfaces, sizes of objects."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from .scene import CLASSES, FLOOR, WALL, LabelledScan

BALLS = (0.05, 0.2, 0.5)
"""Radii in which surfaces are measured, metres."""
PROBES = 60
"""Balls per scan, surface and radius."""
SHARES = (5, 25, 50, 75, 95)
"""Percentiles of brightness and saturation."""
SURFACES = {'wall': WALL, 'floor': FLOOR}

Figures = Mapping[str, list[float]]
"""Values by name. A scan may have several, such as one per object, or none."""


def measure(scan: LabelledScan, rng: np.random.Generator) -> Figures:
    """Measure a scan. Lengths are in metres, roughness in millimetres, colours in [0, 1].

    Args:
        scan: The scan.
        rng: Source of randomness, for the places at which surfaces are measured.
    """
    figures = defaultdict(list)
    _measure_scene(scan, figures)
    for name, kind in SURFACES.items():
        _measure_surface(scan, name, np.flatnonzero(scan.semantic == kind), rng, figures)
    _measure_objects(scan, figures)
    return figures


def value_and_saturation(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute V and S of HSV, ``(P,)`` each, from colours ``(P, 3)`` in [0, 1]."""
    value = colors.max(axis=1)
    return value, (value - colors.min(axis=1)) / np.maximum(value, 1e-6)


def upright_box(points: np.ndarray) -> tuple[float, float, float]:
    """Measure the upright box with the least floor area, as length, width and height.

    The extents are those from the 2nd to the 98th percentile of the points.

    Args:
        points: ``(P, 3)``.
    """
    height = np.ptp(np.percentile(points[:, 2], (2, 98)))
    ground = points[:, :2]
    try:
        hull = ground[ConvexHull(ground).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        hull = ground
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)
    turned = [_turned(hull, angle) for angle in angles]
    best = angles[np.argmin([np.ptp(corners, axis=0).prod() for corners in turned])]
    extent = np.ptp(np.percentile(_turned(ground, best), (2, 98), axis=0), axis=0)
    return float(extent.max()), float(extent.min()), float(height)


def roughness(points: np.ndarray) -> float:
    """Compute the root mean square distance of points ``(P, 3)`` from their plane."""
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points.T, ddof=0))[0], 0)))


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, -sin], [sin, cos]])


def _measure_scene(scan: LabelledScan, figures: Figures) -> None:
    length, width, height = upright_box(scan.points)
    figures['extent, long side'].append(length)
    figures['extent, short side'].append(width)
    figures['extent, height'].append(height)
    for name, kind in SURFACES.items():
        figures[f'share of {name} points'].append(float(np.mean(scan.semantic == kind)))
    known = np.isin(scan.semantic, [*CLASSES, *SURFACES.values()])
    figures['share of points of no class'].append(float(np.mean(~known)))
    figures['objects'].append(len([*scan.objects(tuple(CLASSES))]))
    for channel, name in enumerate(('red', 'green', 'blue')):
        figures[f'mean {name}'].append(float(scan.colors[:, channel].mean()))
        figures[f'deviation of {name} in a scan'].append(float(scan.colors[:, channel].std()))
    for name, values in zip(('brightness', 'saturation'), value_and_saturation(scan.colors)):
        for share, found in zip(SHARES, np.percentile(values, SHARES)):
            figures[f'{name} at {share} %'].append(float(found))


def _measure_surface(
    scan: LabelledScan,
    name: str,
    members: np.ndarray,
    rng: np.random.Generator,
    figures: Figures,
) -> None:
    points, colors = scan.points[members], scan.colors[members]
    if len(points) < PROBES:
        return
    tree = cKDTree(points)
    for radius in BALLS:
        centres = points[rng.choice(len(points), PROBES, replace=False)]
        for ball in tree.query_ball_point(centres, radius):
            if len(ball) >= 10:
                figures[f'{name}, {100 * radius:g} cm: roughness'].append(
                    1000 * roughness(points[ball])
                )
                figures[f'{name}, {100 * radius:g} cm: colour'].append(
                    float(colors[ball].std(axis=0).mean())
                )
    if name == 'floor':
        figures['floor: range of heights'].append(
            float(np.ptp(np.percentile(points[:, 2], (2, 98))))
        )


def _measure_objects(scan: LabelledScan, figures: Figures) -> None:
    floor = scan.points[scan.semantic == FLOOR, 2]
    ground = np.median(floor) if len(floor) else np.percentile(scan.points[:, 2], 2)
    for _, inside in scan.objects((WALL,)):
        if len(inside) >= PROBES:
            figures['wall: thickness'].append(upright_box(scan.points[inside])[1])
    for kind, inside in scan.objects(tuple(CLASSES)):
        points, colors = scan.points[inside], scan.colors[inside]
        name = CLASSES[kind]
        for side, size in zip(('length', 'width', 'height'), upright_box(points)):
            figures[f'{name}: {side}'].append(size)
        figures[f'{name}: bottom'].append(float(np.percentile(points[:, 2], 2) - ground))
        figures[f'{name}: brightness'].append(float(np.mean(value_and_saturation(colors)[0])))
        figures[f'{name}: colour'].append(float(colors.std(axis=0).mean()))
