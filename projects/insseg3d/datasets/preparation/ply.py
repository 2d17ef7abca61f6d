# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reading the vertices of PLY files: ascii and binary, either byte order, any properties."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.ops.native import compiled

from .errors import DOWNLOAD_AGAIN, RawDataError
from .text_table import number

_TYPES = {
    'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
    'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
    'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8',
}  # fmt: skip
_COUNT_TYPES = {name: kind for name, kind in _TYPES.items() if kind[0] != 'f'}
_BYTE_ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}


class Element(NamedTuple):
    """One element of a header: name, number of rows, (name, type, type of list entries or None)."""

    name: str
    count: int
    properties: list[tuple[str, str, str | None]]

    def min_row_bytes(self) -> int:
        """Bytes that a row takes at least: lists may be empty, those of a face's corners too."""
        return sum(np.dtype(kind).itemsize for _, kind, _ in self.properties)

    def is_fixed(self) -> bool:
        """Whether every row has the same size."""
        return all(entry is None for _, _, entry in self.properties)

    def scalars(self) -> list[tuple[str, str]]:
        """Name and type of the properties that are no lists."""
        return [(name, kind) for name, kind, entry in self.properties if entry is None]


class Header(NamedTuple):
    """Byte order ('' for ascii, '<', '>'), elements in file order, where the rows begin."""

    byte_order: str
    elements: list[Element]
    num_bytes: int

    def vertices(self, path: Path) -> Element:
        """The element 'vertex', which must come first and have more than lists.

        Raises:
            RawDataError: it does not.
        """
        if not self.elements or self.elements[0].name != 'vertex':
            names = [element.name for element in self.elements]
            raise RawDataError(path, f'elements {names}', "'vertex' as the first", DOWNLOAD_AGAIN)
        vertices = self.elements[0]
        if not vertices.scalars():
            raise RawDataError(
                path, 'vertices without a property that is no list property',
                'x, y and z', 'Save the mesh again',
            )  # fmt: skip
        return vertices


def read_header(content: bytes, path: Path) -> Header:
    """Parse the header of a PLY file.

    Args:
        content: the file, or enough of its beginning.
        path: for messages.

    Raises:
        RawDataError: no PLY file, or a header that is cut off or not understood.
    """
    end = content.find(b'end_header')
    if end >= 0 and b'\n' not in content[:end] and b'\r' in content[:end]:
        raise RawDataError(
            path, "a header whose lines end with '\\r' alone, as on Macs of old",
            "'\\n' or '\\r\\n'", 'Open it in another program, such as MeshLab, and save it again',
        )  # fmt: skip
    newline = content.find(b'\n', end)
    if not content.startswith(b'ply') or end < 0 or newline < 0:
        raise RawDataError(
            path, 'no complete PLY header', "a file from 'ply' to 'end_header'", DOWNLOAD_AGAIN
        )
    byte_order, elements = None, []
    for line in content[:end].decode('ascii', errors='replace').splitlines()[1:]:
        words = line.split()
        try:
            if not words or words[0] in ('comment', 'obj_info'):
                continue
            if words[0] == 'format':
                byte_order = _BYTE_ORDERS[words[1]]
            elif words[0] == 'element':
                elements.append(Element(words[1], _count(words[2]), []))
            elif words[0] == 'property' and words[1] == 'list':
                kinds = _COUNT_TYPES[words[2]], _TYPES[words[3]]
                elements[-1].properties.append((words[4], *kinds))
            elif words[0] == 'property':
                elements[-1].properties.append((words[2], _TYPES[words[1]], None))
            else:
                raise KeyError(words[0])
        except (IndexError, KeyError, ValueError):
            raise RawDataError(
                path, f'header line {line!r}', 'a line of the PLY format', DOWNLOAD_AGAIN
            ) from None
    for element in elements:
        names = [name for name, _, _ in element.properties]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise RawDataError(
                path, f'properties {sorted(twice)} twice in {element.name}', 'every name once',
                'Save the mesh again',
            )  # fmt: skip
    if byte_order is None:
        raise RawDataError(path, 'a header without a format line', 'one', DOWNLOAD_AGAIN)
    return Header(byte_order, elements, newline + 1)


def _count(word: str) -> int:
    if not word.isdigit():
        raise ValueError(word)
    return int(word)


def read_ply_vertices(path: Path) -> dict[str, np.ndarray]:
    """Read the vertices of a PLY file.

    Args:
        path: the file. 'vertex' must be its first element, as in all scans of the field.

    Returns:
        Property name → ``(V,)`` array, of the property's type; float64 in ascii files. Lists, such
        as the pictures that see a vertex, are passed over.

    Raises:
        FileNotFoundError: no such file.
        RawDataError: not a PLY file, or cut off, also if only behind the vertices.
    """
    content = path.read_bytes()
    header = read_header(content, path)
    vertices = header.vertices(path)
    if not header.byte_order:
        names = [name for name, _ in vertices.scalars()]
        return dict(zip(names, _ascii_rows(content[header.num_bytes :], header, path).T))
    places = _places(content, header, path)
    kinds = [(name, np.dtype(header.byte_order + kind)) for name, kind in vertices.scalars()]
    if places is None:
        rows = np.frombuffer(content, kinds, count=vertices.count, offset=header.num_bytes)
        return {name: rows[name] for name, _ in kinds}
    numbers = np.frombuffer(content, np.uint8)
    found = {}
    for column, (name, kind) in zip(places.T, kinds):
        found[name] = numbers[column[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0]
    return found


def _places(content: bytes, header: Header, path: Path) -> np.ndarray | None:
    """Where the values of binary vertices lie; None if all their rows have the same size.

    Returns:
        ``(V, properties)`` bytes from the beginning of the file, without lists.

    Raises:
        RawDataError: the rows of all elements do not fit into the file.
    """
    # Before anything is made so large.
    expected = sum(element.count * element.min_row_bytes() for element in header.elements)
    found, end, places = len(content) - header.num_bytes, header.num_bytes, None
    for element in header.elements if found >= expected else ():
        if element.is_fixed():
            end += element.count * element.min_row_bytes()
        elif end <= len(content):
            is_vertex = element is header.elements[0]
            kept = np.empty((is_vertex * element.count, len(element.scalars())), dtype=np.int64)
            end, row = _walk(
                np.frombuffer(content, np.uint8), end, element.count,
                np.array([np.dtype(kind).itemsize for _, kind, _ in element.properties]),
                np.array([np.dtype(entry or 'V0').itemsize for _, _, entry in element.properties]),
                np.array([kind[0] == 'i' for _, kind, _ in element.properties]),
                header.byte_order == '>', kept,
            )  # fmt: skip
            if end < 0:
                raise RawDataError(
                    path, f'row {row} of element {element.name} has a list of negative length',
                    '0 or more', DOWNLOAD_AGAIN,
                )  # fmt: skip
            places = kept if is_vertex else places
    expected = max(expected, end - header.num_bytes)
    if found < expected:
        announced = ', '.join(f'{element.count} × {element.name}' for element in header.elements)
        raise RawDataError(
            path,
            f'cut off, {found} bytes follow the header, which announces {announced}',
            f'at least {expected}',
            DOWNLOAD_AGAIN,
        )
    return places


@compiled
def _walk(content, position, count, sizes, entries, signed, is_big, places):
    """Go from row to row of a binary element with lists.

    Args:
        content: ``(bytes,)`` uint8.
        position: where its first row begins.
        count: number of rows.
        sizes: ``(properties,)`` bytes of each, of a list those of its length.
        entries: ``(properties,)`` bytes of a list's entry, 0 if it is none.
        signed: ``(properties,)`` whether a list's length has a sign.
        is_big: whether the first byte counts most.
        places: ``(count, scalars)`` is filled with where values lie, or ``(0, scalars)``.

    Returns:
        Where the last row ends, beyond the content if it was cut off, -1 after a negative length;
        and the row.
    """
    for row in range(count):
        column = 0
        for k in range(len(sizes)):
            size = sizes[k]
            if position + size > len(content):
                return position + size, row
            if entries[k] == 0:
                if row < len(places):
                    places[row, column] = position
                column += 1
                position += size
                continue
            length = 0
            for byte in range(size):
                place = position + (byte if is_big else size - 1 - byte)
                length = length * 256 + np.int64(content[place])
            if signed[k] and length >> (8 * size - 1):
                return -1, row
            position += size + length * entries[k]
    return position, count


def _ascii_rows(body: bytes, header: Header, path: Path) -> np.ndarray:
    """The vertices of an ascii file, ``(V, properties)`` float64, without lists."""
    vertices = header.vertices(path)
    lines = body.splitlines()
    num_lines = sum(element.count for element in header.elements)
    if len(lines) < num_lines:
        raise RawDataError(
            path, f'cut off, {len(lines)} lines follow the header', f'{num_lines}', DOWNLOAD_AGAIN
        )
    is_list = [entry is not None for _, _, entry in vertices.properties]
    width = len(is_list)
    rows = np.empty((vertices.count, width - sum(is_list)))
    for row, line in enumerate(lines[: vertices.count]):
        try:
            words = line.split() if width == rows.shape[1] else _scalar_words(line, is_list)
            if len(words) != rows.shape[1]:  # numpy would spread a single number over the row
                raise ValueError(words)
            rows[row] = [number(word) for word in words]
        except ValueError:
            text = line[:60].decode('ascii', errors='replace')
            expected = f'{width} numbers'
            if any(is_list):
                expected = f'{rows.shape[1]} numbers, and of a list property its length first'
            raise RawDataError(
                path, f'vertex {row} reads {text!r}', expected, DOWNLOAD_AGAIN
            ) from None
    return rows


def _scalar_words(line: bytes, is_list: list[bool]) -> list[bytes]:
    """The words of a line that belong to no list; ValueError if there are too many or too few."""
    words, found, place = line.split(), [], 0
    for listed in is_list:
        word = words[place] if place < len(words) else b''
        length = int(word) if listed else 0
        if length < 0 or not word:
            raise ValueError(line)
        if not listed:
            found.append(word)
        place += 1 + length
    if place != len(words):
        raise ValueError(line)
    return found
