# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reader of formats that may contain labels: .ply, .npz, .npy, text (.txt, .csv, .xyz, .pts)."""

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
        path: Path of a file, or of a folder with one file per array.
        names: The user's names of columns.
        ending: Format of the file, one of ``ENDINGS``; None takes the file's own ending.

    Raises:
        RawDataError: If the file is unreadable or cut off, or if it lacks coordinates.
    """
    try:
        return _read(path, names, ending or path.suffix.lower())
    except RawDataError as error:
        if str(error).endswith(DOWNLOAD_AGAIN):  # from readers that are shared with releases
            raise error.with_remedy('Export the scan again, or correct it') from None
        raise


def _read(path: Path, names: ColumnNames, ending: str) -> ScanColumns:
    if is_there(path, stat.S_ISDIR):
        return _from_folder(path, names)
    if ending == '.ply':
        return find_columns(read_ply_vertices(path), path, names)
    if ending in ('.npy', '.npz'):  # the content decides between the two
        content = _load(path)
        read = from_arrays if isinstance(content, dict) else _from_array
        return read(content, path, names)
    if ending in TEXTS:
        columns, table = read_text_table(path, names.columns)
        return find_columns(_named(columns, table), path, names)
    raise RawDataError(path, f'ending {ending!r}', ', '.join(ENDINGS), 'Export it as .ply')


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """Load a file of numpy: an array, or the arrays of an archive by name."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            arrays = {name: content[name] for name in content.files}
    except Exception as error:  # numpy's readers raise many kinds of errors
        if isinstance(error, OSError) and error.filename is not None:  # it cannot be opened
            raise
        raise RawDataError(
            path,
            f'cannot be read ({words_of(error)})',
            'a whole file of numpy.save or numpy.savez',
            'Write it again; arrays of Python objects are not read',
        ) from None
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    if not arrays:  # numpy opens every zip archive as one of its own
        raise RawDataError(
            path,
            'a zip archive without .npy files',
            'arrays of numpy.savez',
            'Unpack it, and give the scans in it',
        )
    return arrays


def _from_array(array: np.ndarray, path: Path, names: ColumnNames) -> ScanColumns:
    """Find the columns of a table, or of a structured array by the names of its fields."""
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
    """Find the columns of a scan among named arrays, of one or several columns each.

    Args:
        arrays: Arrays of an ``.npz``, or columns of a table, by name.
        path: Path of the scan, for messages.
        names: The user's names of columns.

    Raises:
        RawDataError: If there are no coordinates, or if the lengths of arrays differ.
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
    # Arrays of other lengths that are not needed, such as a list of names, are ignored.
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
    """Read a folder with one file per array; its labels may be called segment, or segment20."""
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
            f'Choose one with --semantic-name, e.g. --semantic-name {segments[0]}',
        )
    if segments and names.semantic is None:
        arrays['semantic'] = arrays.pop(segments[0])
    return from_arrays(arrays, folder, names)


def _named(columns: tuple[str, ...], table: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a table by name, without those called '-'."""
    return {name: table[:, k] for k, name in enumerate(columns) if name != '-'}
