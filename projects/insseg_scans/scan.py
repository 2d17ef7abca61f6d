# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A scan as its owner recorded it: nothing is scaled, moved, turned or dropped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import NAMES, ColumnNames, ScanColumns, plain_name
from .errors import RawDataError
from .points.tables import from_arrays


@dataclass(frozen=True)
class Scan:
    """Points in the order, the units and the frame of their source.

    Attributes:
        name: Name of the scan in messages; for a file, its path.
        coords: ``(P, 3)`` of the type of the source, which keeps the digits of survey coordinates.
        colors: ``(P, 3)`` of any range, or None.
        units: Units, if the format defines them (glTF: metres), else None.
        up: Up axis, if the format defines it (glTF: 'y'), else None.
        notes: Remarks on unusual features of the source.
        names: Names of the source's columns, if they have any.

    Raises:
        RawDataError: If shapes differ from these, or if values are no numbers.
    """

    name: str
    coords: np.ndarray
    colors: np.ndarray | None = None
    units: str | None = None
    up: str | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of_columns(cls, name: str, found: ScanColumns) -> 'Scan':
        """Make a scan of the columns of a file or table, without their labels."""
        return cls(
            name=name,
            coords=found.coords,
            colors=found.colors,
            notes=found.notes,
            names=found.names,
        )

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
    """Make a scan of an object in memory.

    Args:
        source: One of: an array or tensor ``(P, 3)`` x y z or ``(P, 6)`` x y z r g b; a structured
            array, a dict of arrays, or a data frame of pandas, polars or Arrow, whose names are
            those of files; a point cloud or mesh of Open3D, of either of its interfaces; a mesh or
            cloud of trimesh; any object with ``points`` or ``vertices`` ``(P, 3)``, and optionally
            ``colors``.
        name: Name of the scan in messages.

    Raises:
        RawDataError: If the source is anything else.
    """
    columns = _columns_of(source, name)
    if columns is not None:
        found = from_arrays(columns, name, ColumnNames(labels=False))
        return Scan.of_columns(name, found)
    for attribute in ('point', 'vertex'):  # open3d.t: clouds, meshes
        fields = getattr(source, attribute, ())
        if hasattr(fields, '__contains__') and 'positions' in fields:
            colors = _array(fields['colors'], name) if 'colors' in fields else None
            return Scan(name=name, coords=_array(fields['positions'], name), colors=colors)
    for attribute in ('points', 'vertices'):
        if hasattr(source, attribute) and not isinstance(source, np.ndarray):
            coords = _array(getattr(source, attribute), name)
            return Scan(name=name, coords=coords, colors=_colors_of(source, name))
    points = _array(source, name)
    if points.ndim == 2 and points.shape[1] == 6:
        return Scan(name=name, coords=points[:, :3], colors=points[:, 3:])
    return Scan(name=name, coords=points)


def _columns_of(source: Any, name: str) -> dict[str, np.ndarray] | None:
    """Return the columns of a source with named columns, or None for any other source.

    Raises:
        RawDataError: If a data frame's names include no coordinates, or if a name occurs twice.
    """
    if isinstance(source, Mapping):
        return {str(key): _array(value, name) for key, value in source.items()}
    if isinstance(source, np.ndarray):
        return source.dtype.names and {key: source[key] for key in source.dtype.names}
    keys = getattr(source, 'column_names', None)  # Arrow, whose ``columns`` are the data
    keys = getattr(source, 'columns', None) if keys is None else keys
    if keys is None or callable(keys) or not hasattr(source, '__getitem__'):
        return None
    keys = list(keys)
    if keys == list(range(len(keys))):  # a frame made from an array: numbers, no names
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
    """Convert a column of a data frame; numbers with gaps, which are objects, become floats."""
    values = _array(column, name)
    if values.dtype.kind != 'O':
        return values
    try:
        return np.array(
            [value if value == value and value is not None else np.nan for value in values],
            dtype=np.float64,
        )
    except (TypeError, ValueError):  # pandas' NA, whose truth value is undefined; or no numbers
        try:
            return column.to_numpy(dtype='float64', na_value=np.nan)
        except (TypeError, ValueError, AttributeError):
            return values


def _colors_of(source: Any, name: str) -> np.ndarray | None:
    """Return the colours of an object of Open3D or trimesh, or None if it has none."""
    visual = getattr(source, 'visual', None)
    if visual is not None:  # trimesh makes meshes without colours uniformly grey
        if getattr(visual, 'kind', None) is None:
            return None
        visual = visual.to_color() if hasattr(visual, 'to_color') else visual
        colors = _array(visual.vertex_colors, name)
        return colors[:, :3] if colors.ndim == 2 and len(colors) else None
    for attribute in ('colors', 'vertex_colors'):
        values = getattr(source, attribute, None)
        if values is not None and len(values):
            return _array(values, name)[:, :3]  # some have opacity as a fourth channel
    return None


def _array(values: Any, name: str) -> np.ndarray:
    """Convert an object to an array; masked values become NaN.

    Raises:
        RawDataError: If numpy lacks the type, as for bfloat16, or if rows have unequal lengths.
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
