# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Poses of the camera on its way through a room."""

import numpy as np

from ..layout.footprints import rectangles_overlap
from ..layout.layout import Layout
from .depth import look_at


def walk(layout: Layout, rng: np.random.Generator, *, frames: int) -> np.ndarray:
    """Draw the cameras (N, 12) of a person who walks through the free part of a room."""
    width, depth, height = layout.size
    x, y = np.meshgrid(
        np.arange(0.2, width - 0.15, 0.15), np.arange(0.2, depth - 0.15, 0.15), indexing='ij'
    )
    spots = np.column_stack([x.ravel(), y.ravel()])
    tall = [p.corners for p in layout.placed if p.span[1] > 0.9 and p.span[0] < 1.7]
    if tall:
        body = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.16
        tall = np.stack(tall)
        free = np.array([not rectangles_overlap(body + s, tall).any() for s in spots])
        spots = spots[free] if free.any() else spots
    centre = np.array([width, depth]) / 2
    # The walk is not quite a full circle: most things have a side that the camera never sees.
    begin, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 0.95) * 2 * np.pi
    bearing = begin + np.linspace(0, turn, frames) * rng.choice([-1.0, 1.0])
    reach = rng.uniform(0.15, 0.75, frames)
    wish = centre + np.column_stack(
        [np.cos(bearing) * reach * width / 2, np.sin(bearing) * reach * depth / 2]
    )
    nearest = np.argmin(((spots[None] - wish[:, None]) ** 2).sum(axis=2), axis=1)
    eye = np.column_stack(
        [spots[nearest] + rng.uniform(-0.06, 0.06, (frames, 2)), rng.uniform(1.25, 1.65, frames)]
    )
    # Three in five views go across the room, the others to the nearest wall.
    across = np.where(rng.random(frames) < 0.6, np.pi, 0.0) + rng.normal(0, 0.6, frames)
    look = bearing + across
    drop = rng.uniform(0.25, 1.15, frames)
    ahead = np.column_stack([np.cos(look), np.sin(look), -drop * rng.uniform(0.5, 1.0, frames)])
    return look_at(eye, eye + ahead)


def tripod(layout: Layout, rng: np.random.Generator, *, frames: int) -> np.ndarray:
    """Draw the cameras (N, 12) of a tripod that scans all around from a few positions.

    Each position has sixty images, at twelve bearings and five pitches: everything between floor
    and ceiling is in two of them.
    """
    width, depth, _ = layout.size
    stations = max(1, frames // 60)
    blocks = [p.corners for p in layout.placed if p.span[0] < 1.7]
    body = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.2
    spots: list[np.ndarray] = []
    for attempt in range(40 * stations):
        spot = rng.uniform(0.15, 0.85, 2) * (width, depth)
        if (
            attempt >= 20 * stations
            or not blocks
            or not rectangles_overlap(body + spot, np.stack(blocks)).any()
        ):
            spots.append(spot)
        if len(spots) == stations:
            break
    bearings = np.arange(12) * np.pi / 6 + rng.uniform(0, 2 * np.pi)
    pitches = np.deg2rad([-62.0, -31.0, 0.0, 31.0, 62.0])
    bearing, pitch = (a.ravel() for a in np.meshgrid(bearings, pitches))
    ahead = np.column_stack(
        [np.cos(bearing) * np.cos(pitch), np.sin(bearing) * np.cos(pitch), np.sin(pitch)]
    )
    height = rng.uniform(1.3, 1.6)
    eyes = np.array([[*spot, height] for spot in spots]).repeat(len(ahead), axis=0)
    return look_at(eyes, eyes + np.tile(ahead, (len(spots), 1)))


# Ways of scanning: the poses of the camera, and its range in metres.
CAMERAS = {'hand-held': (walk, 4.2), 'tripod': (tripod, 12.0)}
