# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A scan as its owner has it: nothing scaled, moved, turned or dropped."""
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets.preparation.errors import RawDataError


@dataclass(frozen=True)
class Scan:
    """Points in the order, the units and the frame of their source.

    Attributes:
        name: what messages call it; for a file, its path.
        coords: ``(P, 3)`` of the type of the source, so that survey coordinates keep their digits.
        colors: ``(P, 3)`` of any range, or None.
        units: where the format says it (glTF: metres), else None.
        up: likewise (glTF: 'y').
        notes: what was unusual about the source.
        names: of the columns among which colours were looked for, if it has names.

    Raises:
        RawDataError: other shapes, or no numbers.
    """

    name: str
    coords: np.ndarray
    colors: np.ndarray | None = None
    units: str | None = None
    up: str | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape, kind = self.coords.shape, self.coords.dtype
        if len(shape) != 2 or shape[1] != 3 or kind.kind not in 'fiu':
            raise RawDataError(
                self.name, f'{kind} values of shape {shape}',
                'numbers of shape (P, 3): x y z, or (P, 6): x y z r g b', 'Give these columns only')
        if self.colors is None:
            return
        if self.colors.shape != shape or self.colors.dtype.kind not in 'fiu':
            raise RawDataError(
                self.name, f'{self.colors.dtype} colours of shape {self.colors.shape} for '
                f'{len(self.coords)} points', 'three numbers for every point',
                'Give the colours of these points, or none')


def scan_of(source: Any, name: str = '<points in memory>') -> Scan:
    """Make a scan of what programs hold.

    Args:
        source: array or tensor ``(P, 3)`` x y z or ``(P, 6)`` with r g b; Open3D's point clouds
            and meshes, of either of its interfaces; trimesh's meshes and clouds; anything with
            ``points`` or ``vertices`` of that form, and perhaps ``colors``.
        name: for messages.

    Raises:
        RawDataError: something else.
    """
    for attribute in ('point', 'vertex'):  # open3d.t: clouds, meshes
        fields = getattr(source, attribute, ())
        if 'positions' in fields:
            colors = _array(fields['colors']) if 'colors' in fields else None
            return Scan(name, _array(fields['positions']), colors)
    for attribute in ('points', 'vertices'):
        if hasattr(source, attribute) and not isinstance(source, np.ndarray):
            return Scan(name, _array(getattr(source, attribute)), _colors_of(source))
    points = _array(source)
    if points.ndim == 2 and points.shape[1] == 6:
        return Scan(name, points[:, :3], points[:, 3:])
    return Scan(name, points, None)


def _colors_of(source: Any) -> np.ndarray | None:
    """Colours of Open3D's and trimesh's objects, None where they have none."""
    visual = getattr(source, 'visual', None)
    if visual is not None:  # trimesh gives an even grey to meshes without colours
        if getattr(visual, 'kind', None) is None:
            return None
        visual = visual.to_color() if hasattr(visual, 'to_color') else visual
        colors = _array(visual.vertex_colors)
        return colors[:, :3] if colors.ndim == 2 and len(colors) else None
    for attribute in ('colors', 'vertex_colors'):
        values = getattr(source, attribute, None)
        if values is not None and len(values):
            return _array(values)[:, :3]  # some have a fourth, how much they cover
    return None


def _array(values: Any) -> np.ndarray:
    if hasattr(values, 'detach'):
        values = values.detach()
    for step in ('cpu', 'numpy'):
        if hasattr(values, step):
            values = getattr(values, step)()
    return np.asarray(values)
