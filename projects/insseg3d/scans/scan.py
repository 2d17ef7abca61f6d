# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A scan as its owner has it: nothing scaled, moved, turned or dropped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import NAMES, ColumnNames, plain_name
from .errors import RawDataError
from .points.tables import from_arrays


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
                self.name,
                f'{kind} values of shape {shape}',
                'numbers of shape (P, 3): x y z, or (P, 6): x y z r g b',
                'Give these columns only',
            )
        if self.colors is None:
            return
        if self.colors.shape != shape or self.colors.dtype.kind not in 'fiu':
            raise RawDataError(
                self.name,
                f'{self.colors.dtype} colours of shape {self.colors.shape} for '
                f'{len(self.coords)} points',
                'three numbers for every point',
                'Give the colours of these points, or none',
            )


def scan_of(source: Any, name: str = '<points in memory>') -> Scan:
    """Make a scan of what programs hold.

    Args:
        source: array or tensor ``(P, 3)`` x y z or ``(P, 6)`` with r g b; what has names, which
            are read as those of files are: structured arrays, dicts of arrays, data frames of
            pandas, polars or Arrow; Open3D's point clouds and meshes, of either of its interfaces;
            trimesh's meshes and clouds; anything with ``points`` or ``vertices`` of that form, and
            perhaps ``colors``.
        name: for messages.

    Raises:
        RawDataError: something else.
    """
    columns = _columns_of(source, name)
    if columns is not None:
        found = from_arrays(columns, name, ColumnNames(labels=False))
        return Scan(name, found.coords, found.colors, notes=found.notes, names=found.names)
    for attribute in ('point', 'vertex'):  # open3d.t: clouds, meshes
        fields = getattr(source, attribute, ())
        if hasattr(fields, '__contains__') and 'positions' in fields:
            colors = _array(fields['colors'], name) if 'colors' in fields else None
            return Scan(name, _array(fields['positions'], name), colors)
    for attribute in ('points', 'vertices'):
        if hasattr(source, attribute) and not isinstance(source, np.ndarray):
            return Scan(name, _array(getattr(source, attribute), name), _colors_of(source, name))
    points = _array(source, name)
    if points.ndim == 2 and points.shape[1] == 6:
        return Scan(name, points[:, :3], points[:, 3:])
    return Scan(name, points, None)


def _columns_of(source: Any, name: str) -> dict[str, np.ndarray] | None:
    """The columns of what has names for them; None of anything else.

    Raises:
        RawDataError: a data frame whose names do not say what is where, or twice the same name.
    """
    if isinstance(source, Mapping):
        return {str(key): _array(value, name) for key, value in source.items()}
    if isinstance(source, np.ndarray):
        return source.dtype.names and {key: source[key] for key in source.dtype.names}
    keys = getattr(source, 'column_names', None)  # Arrow, whose columns are no names
    keys = getattr(source, 'columns', None) if keys is None else keys
    if keys is None or callable(keys) or not hasattr(source, '__getitem__'):
        return None
    keys = list(keys)
    if keys == list(range(len(keys))):  # of a frame made of an array: no names, but positions
        return None
    plain = {plain_name(key) for key in keys if isinstance(key, str)}
    if not all(plain.intersection(NAMES[axis]) for axis in 'xyz'):
        raise RawDataError(
            name,
            f'a data frame with the columns {" ".join(map(str, keys[:20]))}',
            'x y z among them, and red green blue',
            'Name them, or give frame.to_numpy() if they are in that order',
        )
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise RawDataError(name, f'columns {twice} twice', 'every name once', 'Rename them')
    return {str(key): _numbers(source[key], name) for key in keys}


def _numbers(column: Any, name: str) -> np.ndarray:
    """A column of a data frame; numbers with gaps, which come as objects, as floats with NaN."""
    values = _array(column, name)
    if values.dtype.kind != 'O':
        return values
    try:
        return np.array(
            [value if value == value and value is not None else np.nan for value in values],
            dtype=np.float64,
        )
    except (TypeError, ValueError):  # pandas' NA, which is neither true nor false; or no numbers
        try:
            return column.to_numpy(dtype='float64', na_value=np.nan)
        except (TypeError, ValueError, AttributeError):
            return values


def _colors_of(source: Any, name: str) -> np.ndarray | None:
    """Colours of Open3D's and trimesh's objects, None where they have none."""
    visual = getattr(source, 'visual', None)
    if visual is not None:  # trimesh gives an even grey to meshes without colours
        if getattr(visual, 'kind', None) is None:
            return None
        visual = visual.to_color() if hasattr(visual, 'to_color') else visual
        colors = _array(visual.vertex_colors, name)
        return colors[:, :3] if colors.ndim == 2 and len(colors) else None
    for attribute in ('colors', 'vertex_colors'):
        values = getattr(source, attribute, None)
        if values is not None and len(values):
            return _array(values, name)[:, :3]  # some have a fourth, how much they cover
    return None


def _array(values: Any, name: str) -> np.ndarray:
    """An array of what programs hold; what is masked becomes NaN.

    Raises:
        RawDataError: numbers that numpy has none of, such as bfloat16, or rows of unequal length.
    """
    kind = getattr(values, 'dtype', type(values).__name__)
    try:
        if isinstance(values, np.ma.MaskedArray) and values.mask.any():
            return values.astype(np.float64).filled(np.nan)
        if hasattr(values, 'detach'):
            values = values.detach()
        for step in ('cpu', 'numpy'):
            if hasattr(values, step):
                values = getattr(values, step)()
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        raise RawDataError(
            name,
            f'{kind} values that are no array of numpy',
            'dense float32, float64 or integers',
            'Convert them first, e.g. points.float()',
        ) from None
