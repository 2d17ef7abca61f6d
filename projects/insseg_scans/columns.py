# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Columns of users' own scans: their names, and their meaning if they have none."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import RawDataError
from .packed_colors import FoundColors, further_colors

NAMES = {
    'x': ('x', 'px', 'pos_x', 'coord_x'),
    'y': ('y', 'py', 'pos_y', 'coord_y'),
    'z': ('z', 'pz', 'pos_z', 'coord_z'),
    'red': ('red', 'r', 'diffuse_red'),
    'green': ('green', 'g', 'diffuse_green'),
    'blue': ('blue', 'b', 'diffuse_blue'),
    'semantic': (
        'semantic',
        'semantics',
        'semantic_id',
        'semantic_label',
        'semantic_class',
        'semantic_gt',
        'sem',
        'sem_id',
        'sem_label',
        'label',
        'labels',
        'label_id',
        'class',
        'classes',
        'class_id',
        'class_label',
        'classification',
        'category',
        'category_id',
    ),
    'instance': (
        'instance',
        'instances',
        'instance_id',
        'instance_label',
        'instance_gt',
        'inst',
        'inst_id',
        'inst_label',
        'ins',
        'ins_id',
        'ins_label',
        'object',
        'objects',
        'object_id',
        'objectid',
        'obj',
        'obj_id',
    ),
}
"""Accepted lower-case names of each column; CloudCompare's prefix 'scalar_' is accepted too."""

_LABELS = ('semantic', 'instance')

POSITIONS = {
    3: ('x', 'y', 'z'),
    5: ('x', 'y', 'z', 'semantic', 'instance'),
    6: ('x', 'y', 'z', 'red', 'green', 'blue'),
    8: ('x', 'y', 'z', 'red', 'green', 'blue', 'semantic', 'instance'),
}
"""Meaning of the columns of a table without names, by their number."""

KNOWN_NAMES = {name for names in NAMES.values() for name in names}
"""All accepted names."""

COLUMNS_REMEDY = (
    'Name the columns in a header line or with --columns, e.g. '
    '--columns x,y,z,-,red,green,blue,semantic,instance, - for one to ignore'
)


class ScanColumns(NamedTuple):
    """Columns of a scan, of the types in its file.

    Attributes:
        coords: ``(P, 3)`` positions.
        colors: ``(P, 3)``, or None.
        semantic: ``(P,)`` semantic labels, or None.
        instance: ``(P,)`` instance ids, or None.
        notes: Remarks on parts that could not be read.
        names: Names of all columns in the file.
    """

    coords: np.ndarray
    colors: np.ndarray | None
    semantic: np.ndarray | None
    instance: np.ndarray | None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class ColumnNames(NamedTuple):
    """The user's names of columns.

    Attributes:
        columns: Names of a table's columns in order, '-' for a column to ignore; None takes them
            from the header or from ``POSITIONS``.
        semantic: Name of the semantic labels; None takes one of ``NAMES``.
        instance: Name of the instance ids; None takes one of ``NAMES``.
        labels: Whether to look for labels; if False, columns of labels are ignored.
    """

    columns: tuple[str, ...] | None = None
    semantic: str | None = None
    instance: str | None = None
    labels: bool = True


def name_positions(width: int, path: Path, columns: Sequence[str] | None) -> tuple[str, ...]:
    """Name the columns of a table without a header.

    Args:
        width: Number of columns.
        path: Path of the file, for messages.
        columns: Names of the columns, or None to take them from ``POSITIONS``.

    Raises:
        RawDataError: If the number of names differs, or if ``POSITIONS`` lacks the width.
    """
    if columns is not None:
        if len(columns) != width:
            raise RawDataError(
                path, f'{width} columns', f'{len(columns)}, as --columns names', COLUMNS_REMEDY
            )
        return tuple(columns)
    if width not in POSITIONS:
        known = '; '.join(f'{n}: {" ".join(names)}' for n, names in POSITIONS.items())
        raise RawDataError(path, f'{width} columns without names', known, COLUMNS_REMEDY)
    return POSITIONS[width]


def find_columns(fields: Mapping[str, np.ndarray], path: Path, names: ColumnNames) -> ScanColumns:
    """Find coordinates, colours and labels among named columns.

    Of two columns for one coordinate or colour, the one without the prefix 'scalar_' is used.
    If no column has one of the names of colours in ``NAMES``, those of ``packed_colors`` are tried.

    Args:
        fields: ``(P,)`` array of each column, by name.
        path: Path of the file, for messages.
        names: The user's names of columns.

    Raises:
        RawDataError: If coordinates are missing, if there are only one or two of the three colour
            channels, or if several columns match.
    """
    by_name: dict[str, list[str]] = {}
    for name in fields:
        by_name.setdefault(plain_name(name), []).append(name)
    wanted = [column for column in NAMES if names.labels or column not in _LABELS]
    chosen = {column: _name_in_file(column, fields, by_name, path, names) for column in wanted}
    found = {column: fields[name] for column, name in chosen.items() if name is not None}
    missing = [axis for axis in 'xyz' if axis not in found]
    if missing:
        raise RawDataError(
            path, f'columns {list(fields)}', f'{", ".join(missing)} among them', COLUMNS_REMEDY
        )
    channels = [found[name] for name in ('red', 'green', 'blue') if name in found]
    if len(channels) in (1, 2):
        raise RawDataError(
            path,
            f'{len(channels)} of the three colours among {list(fields)}',
            'three or none',
            'Rename or remove them',
        )
    if channels:
        colors = FoundColors(np.stack(channels, axis=1))
    else:
        plain_first = {
            name: sorted(alike, key=_is_scalar_field)[0] for name, alike in by_name.items()
        }
        colors = further_colors({plain: fields[name] for plain, name in plain_first.items()})
    return ScanColumns(
        coords=np.stack([found[axis] for axis in 'xyz'], axis=1),
        colors=colors.colors,
        semantic=found.get('semantic'),
        instance=found.get('instance'),
        notes=colors.notes,
        names=tuple(map(str, fields)),
    )


def _name_in_file(
    column: str,
    fields: Mapping[str, np.ndarray],
    by_name: Mapping[str, list[str]],
    path: Path,
    names: ColumnNames,
) -> str | None:
    """Return the name that a column of ``NAMES`` has in the file, or None if it is missing.

    Raises:
        RawDataError: If the name that the user chose is missing, or if several names match.
    """
    chosen = getattr(names, column, None)
    if chosen is None:
        present = [name for plain in NAMES[column] for name in by_name.get(plain, ())]
    elif chosen in fields:
        present = [chosen]
    else:
        raise RawDataError(
            path,
            f'columns {sorted(fields)}',
            f'{chosen!r} among them',
            f'Correct --{column}-name',
        )
    if column not in _LABELS:
        present = [name for name in present if not _is_scalar_field(name)] or present
    if len(present) > 1:
        raise RawDataError(
            path,
            f'columns {present}, each of which may be {column}',
            'one',
            f'Choose one with --{column}-name, or rename the others'
            if column in _LABELS
            else 'Rename or remove the others',
        )
    return present[0] if present else None


def accepted(column: str) -> str:
    """Return the accepted names of a column, for messages."""
    return ', '.join(NAMES[column])


def columns_are(names: Sequence[str]) -> str:
    """List the names of the columns at the end of a remark; empty if they have no names."""
    return f'; the columns are {_listed(names)}' if names else ''


def no_colors(names: Sequence[str]) -> str:
    """Return the remark that none of these columns are colours."""
    return f'no colours among {_listed(names)}' if names else 'no colours'


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ' '.join([str(name)[:40] for name in names[:most]] + ['…'] * (len(names) > most))


def plain_name(name: str) -> str:
    """Convert a name to the spelling of ``NAMES``."""
    return _spelled(name).removeprefix('scalar_')


def _is_scalar_field(name: str) -> bool:
    """Return whether a name has the prefix of CloudCompare's scalar fields."""
    return _spelled(name).startswith('scalar_')


def _spelled(name: str) -> str:
    return name.strip().strip('"\'').lower().replace(' ', '_').replace('-', '_')
