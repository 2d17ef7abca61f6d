# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The header of a PLY file: its byte order, its elements and their properties."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DOWNLOAD_AGAIN, RawDataError

_TYPES = {
    'char': 'i1',
    'uchar': 'u1',
    'short': 'i2',
    'ushort': 'u2',
    'int': 'i4',
    'uint': 'u4',
    'float': 'f4',
    'double': 'f8',
    'int8': 'i1',
    'uint8': 'u1',
    'int16': 'i2',
    'uint16': 'u2',
    'int32': 'i4',
    'uint32': 'u4',
    'float32': 'f4',
    'float64': 'f8',
}
_COUNT_TYPES = {name: kind for name, kind in _TYPES.items() if kind[0] != 'f'}
_END = re.compile(rb'^(?!\s*(?:comment|obj_info)\b).*?(end_header)', re.MULTILINE)
_BYTE_ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}


class Element(NamedTuple):
    """An element of a header.

    Attributes:
        name: Name of the element, such as 'vertex'.
        count: Number of rows.
        properties: Name, type, and type of the list entries or None, of each property. The type of
            a list property is that of its length.
    """

    name: str
    count: int
    properties: list[tuple[str, str, str | None]]

    def min_row_bytes(self) -> int:
        """Return the least size of a row in bytes; any list may be empty, even that of a face."""
        return sum(np.dtype(kind).itemsize for _, kind, _ in self.properties)

    def is_fixed(self) -> bool:
        """Return whether every row has the same size."""
        return all(entry is None for _, _, entry in self.properties)

    def scalars(self) -> list[tuple[str, str]]:
        """Return name and type of the properties that are no lists."""
        return [(name, kind) for name, kind, entry in self.properties if entry is None]


class Header(NamedTuple):
    """A parsed header.

    Attributes:
        byte_order: '' for ascii, '<' or '>'.
        elements: Elements in the order of the file.
        num_bytes: Size of the header, which is the position of the first row.
    """

    byte_order: str
    elements: list[Element]
    num_bytes: int

    def vertices(self, path: Path) -> Element:
        """Return the element 'vertex'.

        Raises:
            RawDataError: If it is not the first element, or if it has no property but lists.
        """
        if not self.elements or self.elements[0].name != 'vertex':
            names = [element.name for element in self.elements]
            raise RawDataError(path, f'elements {names}', "'vertex' as the first", DOWNLOAD_AGAIN)
        vertices = self.elements[0]
        if not vertices.scalars():
            raise RawDataError(
                path,
                'vertices without a property that is no list property',
                'x, y and z',
                'Save the mesh again',
            )
        return vertices


def read_header(content: bytes, path: Path) -> Header:
    """Parse the header of a PLY file.

    Args:
        content: Content of the file, or a part that contains the header.
        path: Path of the file, for messages.

    Raises:
        RawDataError: If it is no PLY file, or if its header is cut off or not understood.
    """
    end, first_row = _end_of_header(content, path)
    byte_order, elements = None, []
    for line in content[:end].decode('ascii', errors='replace').splitlines()[1:]:
        words = line.split()
        try:
            if not words or words[0] in ('comment', 'obj_info'):
                continue
            if words[0] == 'format':
                byte_order = _BYTE_ORDERS[words[1]]
            elif words[0] == 'element':
                elements.append(Element(name=words[1], count=_count(words[2]), properties=[]))
            elif words[0] == 'property' and words[1] == 'list':
                kinds = _COUNT_TYPES[words[2]], _TYPES[words[3]]
                elements[-1].properties.append((words[4], *kinds))
            elif words[0] == 'property':
                elements[-1].properties.append((words[2], _TYPES[words[1]], None))
            else:
                raise KeyError(words[0])
        except (IndexError, KeyError, ValueError):
            raise RawDataError(
                path, f'header line {line[:80]!r}', 'a line of the PLY format', DOWNLOAD_AGAIN
            ) from None
    _refuse_equal_names(elements, path)
    if byte_order is None:
        raise RawDataError(path, 'a header without a format line', 'one', DOWNLOAD_AGAIN)
    return Header(byte_order=byte_order, elements=elements, num_bytes=first_row)


def _end_of_header(content: bytes, path: Path) -> tuple[int, int]:
    """Find the start of 'end_header' and the start of the rows."""
    found = _END.search(content)
    end = found.start(1) if found else -1
    if end >= 0 and b'\n' not in content[:end] and b'\r' in content[:end]:
        raise RawDataError(
            path,
            "a header whose lines end with '\\r' alone, as on old Macs",
            "'\\n' or '\\r\\n'",
            'Open it in another program, such as MeshLab, and save it again',
        )
    newline = content.find(b'\n', end)
    if not content.startswith(b'ply') or end < 0 or newline < 0:
        raise RawDataError(
            path, 'no complete PLY header', "a file from 'ply' to 'end_header'", DOWNLOAD_AGAIN
        )
    return end, newline + 1


def _refuse_equal_names(elements: list[Element], path: Path) -> None:
    for element in elements:
        names = [name for name, _, _ in element.properties]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise RawDataError(
                path,
                f'properties {sorted(twice)} twice in {element.name}',
                'every name once',
                'Save the mesh again',
            )


def _count(word: str) -> int:
    if not word.isdigit():
        raise ValueError(word)
    return int(word)
