# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of formats for scans without labels: .pcd, .las/.laz, .obj, .bin."""

import io
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..columns import ColumnNames, find_columns, name_positions
from ..errors import RawDataError
from ..extras import optional_module, reader_of_others
from ..scan import Scan
from .text_table import number, plain_holes

_LARGEST_PACKED_RATIO, _SMALL = 200, 2**28
_BIN_REMEDY = 'Name the columns, e.g. --columns x,y,z,- for four of them'


def refuse_bomb(path: Path, unpacked: int) -> None:
    """Refuse a small file that announces a huge content.

    Args:
        path: Path of the file.
        unpacked: Announced size in bytes.

    Raises:
        RawDataError: If the size exceeds 256 MiB and 200 times the size of the file.
    """
    packed = path.stat().st_size
    if unpacked > _SMALL and unpacked > _LARGEST_PACKED_RATIO * packed:
        raise RawDataError(
            path,
            f'{packed} bytes that announce {unpacked}',
            'a scan',
            'Such files are made to exhaust memory; unpack it yourself if you trust it',
        )


def read_bin(path: Path, names: ColumnNames) -> Scan:
    """Read float32 rows as stored by mmdetection3d: x y z r g b, or ``names.columns``."""
    width = len(names.columns) if names.columns else 6
    size = path.stat().st_size
    if size == 0 or size % (4 * width):
        raise RawDataError(
            path,
            f'{size} bytes',
            f'a multiple of {4 * width}, {width} float32 per point',
            _BIN_REMEDY,
        )
    table = np.fromfile(path, '<f4').reshape(-1, width)
    if not names.columns:
        _refuse_other_columns(path, table)
    columns = name_positions(width, path, names.columns)
    fields = {name: table[:, k] for k, name in enumerate(columns) if name != '-'}
    return Scan.of_columns(str(path), find_columns(fields, path, names))


def _refuse_other_columns(path: Path, table: np.ndarray) -> None:
    """Refuse six columns whose last three are no colours, as for rows of four that were joined."""
    colors = table[np.isfinite(table).all(axis=1), 3:]
    if not colors.size:
        return
    low, high = colors.min(), colors.max()
    whole = high <= 1 or (colors == np.round(colors)).all()
    if low < 0 or high > 255 or not whole:
        raise RawDataError(
            path,
            f'columns 4 to 6 hold {"" if whole else "fractions "}from {low:g} to {high:g}',
            'colours in six columns: fractions of 0..1, or whole numbers of 0..255',
            _BIN_REMEDY,
        )


def read_pcd(path: Path, names: ColumnNames) -> Scan:
    """Read a file of the Point Cloud Library (ascii, binary, compressed); needs pypcd4."""
    with open(path, 'rb') as file:
        head = file.read(4096).decode('ascii', errors='replace')
    words = dict(line.split(None, 1) for line in head.splitlines() if len(line.split(None, 1)) == 2)
    try:
        points = int(words['POINTS'])
        announced = points * sum(map(int, words['SIZE'].split()))
    except (KeyError, ValueError):
        raise RawDataError(
            path, 'no complete PCD header', 'FIELDS, SIZE, TYPE, POINTS, DATA', 'Export it again'
        ) from None
    refuse_bomb(path, announced)
    if words.get('DATA', '').strip() == 'binary' and announced > path.stat().st_size:
        raise RawDataError(
            path,
            f'cut off, {path.stat().st_size} bytes',
            f'at least {announced}',
            'Export it again',
        )
    pypcd4 = optional_module('pypcd4', path)
    content = path.read_bytes() if words.get('DATA', '').strip() == 'ascii' else b''
    plain = plain_holes(content)
    with reader_of_others('pypcd4', path):
        if plain == content:
            cloud = pypcd4.PointCloud.from_path(path)
        else:
            cloud = pypcd4.PointCloud.from_fileobj(io.BytesIO(plain))
    rows = np.atleast_1d(cloud.pc_data)  # a single line of text is a bare record
    if len(rows) != points:
        raise RawDataError(
            path, f'cut off, {len(rows)} points', f'{points}, by its header', 'Export it again'
        )
    fields = {name: rows[name] for name in rows.dtype.names if rows[name].ndim == 1}
    return Scan.of_columns(str(path), find_columns(fields, path, names))


def read_las(path: Path) -> Scan:
    """Read LAS or LAZ with coordinates in full precision; needs laspy, and lazrs for LAZ."""
    with open(path, 'rb') as file:
        if file.read(4) != b'LASF':
            raise RawDataError(path, 'no LAS header', "'LASF' at its beginning", 'Export it again')
    laspy = optional_module('laspy', path)
    _refuse_records(path)
    with reader_of_others('laspy', path):
        reader = laspy.open(path)
    with reader:
        header = reader.header
        if header.are_points_compressed:
            optional_module('lazrs', path)
            _refuse_chunks(path, header.offset_to_point_data)
        unpacked = header.point_count * header.point_format.size
        refuse_bomb(path, unpacked)
        if not header.are_points_compressed and unpacked > path.stat().st_size:
            raise RawDataError(
                path,
                f'cut off, {path.stat().st_size} bytes for {header.point_count} points',
                f'at least {unpacked}',
                'Export it again',
            )
        with reader_of_others('laspy', path):
            data = reader.read()
    if len(data.points) != header.point_count:
        raise RawDataError(
            path, f'cut off, {len(data.points)} points', f'{header.point_count}', 'Export it again'
        )
    coords = np.stack([np.asarray(data[axis]) for axis in 'xyz'], axis=1)
    extent = float(np.max(np.asarray(header.maxs) - np.asarray(header.mins)))
    if extent > 0 and len(coords) > 1 and (coords == coords[0]).all():
        raise RawDataError(
            path,
            f'{len(coords)} points in one place',
            f'{extent:g} from end to end, by its header',
            'Export it again',
        )
    channels = ('red', 'green', 'blue')
    if not {*channels} <= {*data.point_format.dimension_names}:
        names = tuple(data.point_format.dimension_names)
        return Scan(name=str(path), coords=coords, names=names)
    colors = np.stack([np.asarray(data[name]) for name in channels], axis=1)
    return Scan(name=str(path), coords=coords, colors=colors)


def _refuse_records(path: Path) -> None:
    """Refuse LAS with more other records than fit in the file, because laspy reads all of them.

    Source: the headers of LAS 1.0 to 1.4, whose common fields have the same positions.
    """
    size = path.stat().st_size
    with open(path, 'rb') as file:
        minor = _number(file, 25, '<B')
        counts = [(_number(file, 100, '<I'), 54)]  # number, least size in bytes
        if minor is not None and minor >= 4:
            counts.append((_number(file, 243, '<I'), 60))
    for count, least in counts:
        if count is not None and count * least > size:
            raise RawDataError(
                path,
                f'{count} records besides the points in {size} bytes',
                'a whole file',
                'Export it again',
            )


def _refuse_chunks(path: Path, first: int) -> None:
    """Refuse a LAZ file with more chunks than bytes: lazrs allocates all of them at once or aborts.

    Args:
        path: Path of the file.
        first: Position of its points, which start with the position of the table of chunks.
    """
    size = path.stat().st_size
    with open(path, 'rb') as file:
        table = _number(file, first, '<q')
        if table == -1:  # then its position is at the end of the file
            table = _number(file, size - 8, '<q')
        chunks = _number(file, None if table is None else table + 4, '<I')
    if chunks is None or chunks > size:
        raise RawDataError(
            path,
            'no table of chunks' if chunks is None else f'{chunks} chunks in {size} bytes',
            'a whole file',
            'Export it again',
        )


def _number(file: BinaryIO, position: int | None, kind: str) -> int | None:
    """Read an integer at a position of a file, or return None beyond its end."""
    if position is None or not 0 <= position < 2**63:
        return None
    file.seek(position)
    content = file.read(struct.calcsize(kind))
    return struct.unpack(kind, content)[0] if len(content) == struct.calcsize(kind) else None


def read_obj(path: Path) -> Scan:
    """Read the vertices of a Wavefront file in their order, with the colours behind them if any.

    Files that it refers to (materials, textures) are not opened.
    """
    rows = []
    with open(path, 'rb') as file:
        for row, line in enumerate(file, 1):
            if line.startswith((b'v ', b'v\t')):
                try:
                    rows.append([number(word) for word in line.split()[1:]])
                except ValueError:
                    text = line[:60].decode('ascii', errors='replace').strip()
                    raise RawDataError(
                        path, f'line {row} reads {text!r}', 'v and numbers', 'Export it again'
                    ) from None
    widths = {len(row) for row in rows}
    if len(widths) != 1 or not widths <= {3, 4, 6, 7}:
        raise RawDataError(
            path,
            f'{len(rows)} vertices of {sorted(widths)} numbers',
            'vertices x y z, or x y z r g b',
            'Export it again',
        )
    table = np.array(rows)
    if table.shape[1] < 6:
        return Scan(name=str(path), coords=table[:, :3])
    first, notes = (3, ()) if table.shape[1] == 6 else _colors_of_seven(table)
    colors = table[:, first : first + 3]
    return Scan(name=str(path), coords=table[:, :3], colors=colors, notes=notes)


def _colors_of_seven(table: np.ndarray) -> tuple[int, tuple[str, ...]]:
    """Return the first column of colours of a table (P, 7), and a remark if that is a guess.

    A weight after the coordinates is 1 except in curves; an opacity at the end is usually constant.
    """
    has_weight, has_opacity = (table[:, 3] == 1).all(), (table[:, 6] == table[0, 6]).all()
    first, meant = (4, 'x y z w r g b') if has_weight else (3, 'x y z r g b and opacity')
    if has_weight != has_opacity:
        return first, ()
    return first, (f'vertices of seven numbers, taken for {meant}',)
