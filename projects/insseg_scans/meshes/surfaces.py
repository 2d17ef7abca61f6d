# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Points sampled on the surfaces of meshes, with colours of corners or pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import RawDataError

GREY = 128
"""Colour of a part without colours, if other parts have some."""


class Surface(NamedTuple):
    """Triangles that are coloured in the same way.

    Attributes:
        corners: ``(T, 3, 3)`` x y z of each corner.
        colors: ``(T, 3, 3)`` r g b of each corner, or None; with a picture, its tint in 0..255.
        uv: ``(T, 3, 2)`` position of each corner in the picture, from the lower left, in units of
            its size; or None.
        picture: ``(H, W, 3)`` uint8, or None.
    """

    corners: np.ndarray
    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    picture: np.ndarray | None = None


def draw_points(
    surfaces: Sequence[Surface], count: int, path: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw points evenly over all surfaces, the same in every run.

    Args:
        surfaces: The surfaces.
        count: Number of points.
        path: Path of the file, for messages.

    Returns:
        Coordinates ``(count, 3)`` float64, and colours ``(count, 3)``, or None if no surface has
        any.

    Raises:
        RawDataError: If no triangle has an area.
    """
    areas = [_areas(surface.corners) for surface in surfaces]
    ends = np.cumsum(np.concatenate([*areas, [0.0]]))
    if not ends[-1] > 0 or not np.isfinite(ends[-1]):
        raise RawDataError(
            path, f'{len(ends) - 1} faces without an area', 'a mesh', 'Leave out --mesh-samples'
        )
    random = np.random.default_rng(0)
    chosen = np.searchsorted(ends, random.random(count) * ends[-1], side='right')
    chosen = np.sort(np.minimum(chosen, np.flatnonzero(np.concatenate(areas))[-1]))
    weights = random.random((count, 2))
    weights = np.where(weights.sum(axis=1, keepdims=True) > 1, 1 - weights, weights)
    weights = np.c_[1 - weights.sum(axis=1), weights]
    coords, colors, first = [], [], 0
    for surface in surfaces:
        last = first + len(surface.corners)
        inside = slice(*np.searchsorted(chosen, (first, last)))
        coords.append(_mix(surface.corners, chosen[inside] - first, weights[inside]))
        colors.append(_colors(surface, chosen[inside] - first, weights[inside]))
        first = last
    return np.concatenate(coords), joined_colors(colors, [len(part) for part in coords])


def joined_colors(parts: Sequence[np.ndarray | None], sizes: Sequence[int]) -> np.ndarray | None:
    """Join the colours of all parts, grey for a part without any; None if no part has any."""
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full((size, 3), GREY, np.uint8) if part is None else part
            for part, size in zip(parts, sizes)
        ]
    )


def picture_of(source: Any) -> np.ndarray | None:
    """Return the pixels ``(H, W, 3)`` uint8 of a picture or its file; None if it is unreadable."""
    from PIL import Image

    if source is None:
        return None
    try:
        picture = Image.open(source) if isinstance(source, Path) else source
        return np.asarray(picture.convert('RGB'))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # raised by Pillow
        return None


def colors_at(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Look up the colours at positions in a picture, which is repeated beyond its edges.

    Args:
        picture: ``(H, W, 3)``.
        uv: ``(P, 2)`` from the lower left, in units of the picture's size.
    """
    uv = np.nan_to_num(np.asarray(uv, dtype=np.float64), nan=0, posinf=0, neginf=0)
    uv = np.where((uv >= 0) & (uv <= 1), uv, uv % 1)
    height, width = picture.shape[:2]
    column = np.minimum((uv[:, 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1 - uv[:, 1]) * height).astype(np.int64), height - 1)
    return picture[row, column]


def tinted(colors: np.ndarray, tint: np.ndarray | None) -> np.ndarray:
    """Multiply the colours of a picture by those of the surface, both in 0..255; uint8."""
    if tint is None:
        return colors
    return np.round(np.asarray(colors, dtype=np.float64) * tint / 255).clip(0, 255).astype(np.uint8)


def _areas(corners: np.ndarray) -> np.ndarray:
    with np.errstate(over='ignore', invalid='ignore'):
        sides = corners[:, 1:] - corners[:, :1]
        areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    return np.where(np.isfinite(areas), areas, 0)


def _mix(values: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum('pk,pkc->pc', weights, values[rows])


def _colors(surface: Surface, rows: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    own = None
    if surface.colors is not None:
        own = _mix(surface.colors, rows, weights)
    if surface.picture is not None:
        return tinted(colors_at(surface.picture, _mix(surface.uv, rows, weights)), own)
    if own is None:
        return None
    if surface.colors.dtype.kind in 'iu':
        return np.round(own).astype(surface.colors.dtype)
    is_whole = surface.colors.max() > 1 and (surface.colors == np.round(surface.colors)).all()
    return np.round(own) if is_whole else own  # whole numbers stay whole, as in text
