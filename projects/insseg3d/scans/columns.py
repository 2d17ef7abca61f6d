# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What the columns of people's own scans are called, and what they are without names."""

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
"""Column → accepted names, in small letters; also with 'scalar_' in front, CloudCompare's way."""

POSITIONS = {
    3: ('x', 'y', 'z'),
    5: ('x', 'y', 'z', 'semantic', 'instance'),
    6: ('x', 'y', 'z', 'red', 'green', 'blue'),
    8: ('x', 'y', 'z', 'red', 'green', 'blue', 'semantic', 'instance'),
}
KNOWN_NAMES = {name for names in NAMES.values() for name in names}
"""Number of columns without names → what they are."""

COLUMNS_REMEDY = (
    'Name the columns in a header line or with --columns, e.g. '
    '--columns x,y,z,-,red,green,blue,semantic,instance, - for one to pass over'
)


class ScanColumns(NamedTuple):
    """What a file holds, of whatever types it has; None where it has none.

    Attributes:
        coords: ``(P, 3)``.
        colors: ``(P, 3)``.
        semantic: ``(P,)``.
        instance: ``(P,)``.
        notes: remarks on what could not be read of it.
        names: of all columns that were looked at.
    """

    coords: np.ndarray
    colors: np.ndarray | None
    semantic: np.ndarray | None
    instance: np.ndarray | None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class ColumnNames(NamedTuple):
    """How to find the columns.

    Attributes:
        columns: what the columns of a table are, in order, '-' for one to pass over; None:
            its header says it, or ``POSITIONS``.
        semantic: name of the semantic labels; None: one of ``NAMES``.
        instance: name of the instance ids, likewise.
        labels: whether labels are looked for; False passes over columns that might hold some.
    """

    columns: tuple[str, ...] | None = None
    semantic: str | None = None
    instance: str | None = None
    labels: bool = True


def name_positions(width: int, path: Path, columns: Sequence[str] | None) -> tuple[str, ...]:
    """Name the columns of a table without a header.

    Args:
        width: number of columns.
        path: for messages.
        columns: their names, if the user gave them.

    Raises:
        RawDataError: another number of names, or a width that says nothing.
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

    Of two columns for a coordinate or a colour, the one without 'scalar_' in front is meant.
    Colours may also have one of the names of ``packed_colors``, if they have none of ``NAMES``.

    Args:
        fields: name → ``(P,)`` array.
        path: for messages.
        names: the user's choice.

    Raises:
        RawDataError: no coordinates, one or two of three colours, or several candidates.
    """
    by_name: dict[str, list[str]] = {}
    for name in fields:
        by_name.setdefault(plain_name(name), []).append(name)
    found = {}
    for column, accepted in NAMES.items():
        if column in ('semantic', 'instance') and not names.labels:
            continue
        chosen = getattr(names, column, None)
        if chosen is None:
            present = [name for plain in accepted for name in by_name.get(plain, ())]
        elif chosen in fields:
            present = [chosen]
        else:
            raise RawDataError(
                path,
                f'columns {sorted(fields)}',
                f'{chosen!r} among them',
                f'Correct --{column}-name',
            )
        if column not in ('semantic', 'instance'):
            present = [name for name in present if not _is_scalar_field(name)] or present
        if len(present) > 1:
            raise RawDataError(
                path,
                f'columns {present}, each of which may be {column}',
                'one',
                f'Say which with --{column}-name, or rename the others'
                if column in ('semantic', 'instance')
                else 'Rename or remove the others',
            )
        if present:
            found[column] = fields[present[0]]
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
        colors = further_colors(
            {
                plain: fields[sorted(alike, key=_is_scalar_field)[0]]
                for plain, alike in by_name.items()
            }
        )
    return ScanColumns(
        np.stack([found[axis] for axis in 'xyz'], axis=1),
        colors.colors,
        found.get('semantic'),
        found.get('instance'),
        colors.notes,
        tuple(map(str, fields)),
    )


def accepted(column: str) -> str:
    """The accepted names of a column, for messages."""
    return ', '.join(NAMES[column])


def columns_are(names: Sequence[str]) -> str:
    """List what the columns are called, to end a remark with; empty if they have no names."""
    return f'; the columns are {_listed(names)}' if names else ''


def no_colors(names: Sequence[str]) -> str:
    """That there are no colours, and among what they were looked for, for remarks."""
    return f'no colours among {_listed(names)}' if names else 'no colours'


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ' '.join([str(name)[:40] for name in names[:most]] + ['…'] * (len(names) > most))


def plain_name(name: str) -> str:
    """A name as ``NAMES`` spells it."""
    return _spelled(name).removeprefix('scalar_')


def _is_scalar_field(name: str) -> bool:
    """Tell whether a name is one that CloudCompare gives to a field beside the colours."""
    return _spelled(name).startswith('scalar_')


def _spelled(name: str) -> str:
    return name.strip().strip('"\'').lower().replace(' ', '_').replace('-', '_')
