# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reading the vertices of PLY files: ascii and binary, either byte order, any properties."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import DOWNLOAD_AGAIN, RawDataError

_TYPES = {
    'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
    'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
    'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8',
}  # fmt: skip
_BYTE_ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}


class Element(NamedTuple):
    """One element of a header: name, number of rows, (name, type, type of list entries or None)."""

    name: str
    count: int
    properties: list[tuple[str, str, str | None]]

    def min_row_bytes(self) -> int:
        """Bytes that a row takes at least; a face has three corners or more."""
        corners = 3 if self.name == 'face' else 0
        return sum(
            np.dtype(kind).itemsize + (corners * np.dtype(entry).itemsize if entry else 0)
            for _, kind, entry in self.properties
        )

    def is_fixed(self) -> bool:
        """Whether every row has the same size."""
        return all(entry is None for _, _, entry in self.properties)


class Header(NamedTuple):
    """Byte order ('' for ascii, '<', '>'), elements in file order, where the rows begin."""

    byte_order: str
    elements: list[Element]
    num_bytes: int

    def vertices(self, path: Path) -> Element:
        """The element 'vertex', which must come first.

        Raises:
            RawDataError: it does not.
        """
        if not self.elements or self.elements[0].name != 'vertex':
            names = [element.name for element in self.elements]
            raise RawDataError(path, f'elements {names}', "'vertex' as the first", DOWNLOAD_AGAIN)
        vertices = self.elements[0]
        if not vertices.is_fixed():
            raise RawDataError(
                path, 'vertices with a list property', 'scalar ones', 'Save the mesh without it'
            )
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
                kinds = _TYPES[words[2]], _TYPES[words[3]]
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
        Property name → ``(V,)`` array, of the property's type; float64 in ascii files.

    Raises:
        FileNotFoundError: no such file.
        RawDataError: not a PLY file, or cut off, also if only behind the vertices.
    """
    content = path.read_bytes()
    header = read_header(content, path)
    vertices = header.vertices(path)
    names = [name for name, _, _ in vertices.properties]
    if not header.byte_order:
        return dict(zip(names, _ascii_rows(content[header.num_bytes :], header, path).T))
    expected = sum(element.count * element.min_row_bytes() for element in header.elements)
    found = len(content) - header.num_bytes
    if found < expected:
        announced = ', '.join(f'{element.count} × {element.name}' for element in header.elements)
        raise RawDataError(
            path,
            f'cut off, {found} bytes follow the header, which announces {announced}',
            f'at least {expected}',
            DOWNLOAD_AGAIN,
        )
    row = np.dtype([(name, header.byte_order + kind) for name, kind, _ in vertices.properties])
    rows = np.frombuffer(content, row, count=vertices.count, offset=header.num_bytes)
    return {name: rows[name] for name in names}


def _ascii_rows(body: bytes, header: Header, path: Path) -> np.ndarray:
    """The vertices of an ascii file, ``(V, properties)`` float64."""
    vertices = header.vertices(path)
    lines = body.splitlines()
    num_lines = sum(element.count for element in header.elements)
    if len(lines) < num_lines:
        raise RawDataError(
            path, f'cut off, {len(lines)} lines follow the header', f'{num_lines}', DOWNLOAD_AGAIN
        )
    width = len(vertices.properties)
    rows = np.empty((vertices.count, width))
    for number, line in enumerate(lines[: vertices.count]):
        try:
            words = line.split()
            if len(words) != width:  # numpy would spread a single number over the row
                raise ValueError(words)
            rows[number] = [float(word) for word in words]
        except ValueError:
            text = line[:60].decode('ascii', errors='replace')
            raise RawDataError(
                path, f'vertex {number} reads {text!r}', f'{width} numbers', DOWNLOAD_AGAIN
            ) from None
    return rows
