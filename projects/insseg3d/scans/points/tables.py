# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reading people's own scans: .ply, .npz, .npy, and text (.txt, .csv, .xyz, .pts)."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..columns import (
    COLUMNS_REMEDY,
    KNOWN_NAMES,
    NAMES,
    ColumnNames,
    ScanColumns,
    find_columns,
    name_positions,
    plain_name,
)
from ..errors import DOWNLOAD_AGAIN, RawDataError, words_of
from ..folders import files_of, is_there
from .ply import read_ply_vertices
from .text import read_text_table

TEXTS = ('.txt', '.csv', '.xyz', '.pts')
ENDINGS = ('.ply', '.npz', '.npy', *TEXTS)
_COORDS = ('points', 'xyz', 'coord', 'coords', 'coordinates', 'pos', 'positions', 'vertices')
_COLORS = ('colors', 'color', 'colours', 'colour', 'rgb', 'rgba', 'vertex_colors')


def read_scan(path: Path, names: ColumnNames, *, ending: str | None = None) -> ScanColumns:
    """Read a scan of any of the formats.

    Args:
        path: the file, or a folder with a file an array.
        names: how to find the columns.
        ending: of ``ENDINGS``, what the file is; None: its own ending says it.

    Raises:
        RawDataError: unreadable, cut off, or without what a scan needs.
    """
    try:
        return _read(path, names, ending or path.suffix.lower())
    except RawDataError as error:
        if str(error).endswith(DOWNLOAD_AGAIN):  # of readers that releases share
            raise error.with_remedy('Export the scan again, or correct it') from None
        raise


def _read(path: Path, names: ColumnNames, ending: str) -> ScanColumns:
    if is_there(path, stat.S_ISDIR):
        return _from_folder(path, names)
    if ending == '.ply':
        return find_columns(read_ply_vertices(path), path, names)
    if ending in ('.npy', '.npz'):  # which of the two, the content tells
        content = _load(path)
        read = from_arrays if isinstance(content, dict) else _from_array
        return read(content, path, names)
    if ending in TEXTS:
        columns, table = read_text_table(path, names.columns)
        return find_columns(_named(columns, table), path, names)
    raise RawDataError(path, f'ending {ending!r}', ', '.join(ENDINGS), 'Export it as .ply')


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The content of a file of numpy's."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            arrays = {name: content[name] for name in content.files}
    except Exception as error:  # numpy's readers raise whatever they stumble over
        if isinstance(error, OSError) and error.filename is not None:  # it cannot be opened
            raise
        raise RawDataError(
            path,
            f'cannot be read ({words_of(error)})',
            'a whole file of numpy.save or numpy.savez',
            'Write it again; arrays of Python objects are not read',
        ) from None
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    if not arrays:  # numpy takes every zip archive for one of its own
        raise RawDataError(
            path,
            'a zip archive without .npy files',
            'arrays of numpy.savez',
            'Unpack it, and give the scans in it',
        )
    return arrays


def _from_array(array: np.ndarray, path: Path, names: ColumnNames) -> ScanColumns:
    """A table, or a structured array, whose fields have names."""
    if array.dtype.names:
        return from_arrays({name: array[name] for name in array.dtype.names}, path, names)
    if array.ndim != 2:
        raise RawDataError(
            path, f'an array of shape {array.shape}', '(points, columns)', COLUMNS_REMEDY
        )
    columns = name_positions(array.shape[1], path, names.columns)
    return find_columns(_named(columns, array), path, names)


def from_arrays(
    arrays: Mapping[str, np.ndarray], path: Path | str, names: ColumnNames
) -> ScanColumns:
    """Find a scan among arrays with names, coordinates and colours perhaps together.

    Args:
        arrays: as an ``.npz`` holds them, or the columns of a table.
        path: for messages.
        names: how to find the columns.

    Raises:
        RawDataError: no coordinates, or arrays of points that do not fit together.
    """
    if len(arrays) == 1 and not {name.lower() for name in arrays} & {*_COORDS}:
        return _from_array(next(iter(arrays.values())), path, names)
    fields = {}
    has_colors = any(name.lower() in _COLORS for name in arrays)
    for name, array in arrays.items():
        if name.lower() in _COORDS and array.ndim == 2 and array.shape[1] in (3, 6):
            fields.update(_named(('x', 'y', 'z'), array))
            if array.shape[1] == 6 and not has_colors:
                fields.update(_named(('red', 'green', 'blue'), array[:, 3:]))
        elif name.lower() in _COLORS and array.ndim == 2 and array.shape[1] in (3, 4):
            fields.update(_named(('red', 'green', 'blue'), array))
        elif array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            fields[name] = array.reshape(-1)
    shapes = {name: array.shape for name, array in arrays.items()}
    first = next((name for name in fields if plain_name(name) in NAMES['x']), None)
    if first is None:
        raise RawDataError(
            path,
            f'arrays {shapes}',
            f'(points, 3) coordinates called {" or ".join(_COORDS)}',
            'Rename the array',
        )
    # Arrays of other lengths that nobody asked for, such as a list of names, do no harm.
    num_points = len(fields[first])
    asked = (names.semantic, names.instance)
    wrong = [
        name
        for name, array in fields.items()
        if len(array) != num_points and (plain_name(name) in KNOWN_NAMES or name in asked)
    ]
    if wrong:
        raise RawDataError(
            path,
            f'arrays {shapes}',
            f'{num_points} entries in each of {wrong}',
            'Write coordinates and labels of the same points',
        )
    return find_columns({n: a for n, a in fields.items() if len(a) == num_points}, path, names)


def _from_folder(folder: Path, names: ColumnNames) -> ScanColumns:
    """Arrays that lie in files of their own; the labels may be called segment, or segment20."""
    arrays = {path.stem: _load(path) for path in files_of(folder, labels=names.labels)}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.names:
            raise RawDataError(
                folder / f'{name}.npy', 'several arrays', 'one of numbers', 'Write it again'
            )
    segments = [name for name in arrays if re.fullmatch(r'segment\d*', name)]
    if len(segments) > 1 and names.semantic is None:
        raise RawDataError(
            folder,
            f'labels {", ".join(segments)}',
            'one of them',
            f'Say which with --semantic-name, e.g. --semantic-name {segments[0]}',
        )
    if segments and names.semantic is None:
        arrays['semantic'] = arrays.pop(segments[0])
    return from_arrays(arrays, folder, names)


def _named(columns: tuple[str, ...], table: np.ndarray) -> dict[str, np.ndarray]:
    """Name → column of a table; without those called '-'."""
    return {name: table[:, k] for k, name in enumerate(columns) if name != '-'}
