# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reading PLY files: ascii and binary, either byte order, any properties, lists of any length."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...ops.native import compiled
from ..errors import DOWNLOAD_AGAIN, RawDataError
from .text_table import number

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
                path,
                'vertices without a property that is no list property',
                'x, y and z',
                'Save the mesh again',
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
    end = _END.search(content)
    end = end.start(1) if end else -1
    if end >= 0 and b'\n' not in content[:end] and b'\r' in content[:end]:
        raise RawDataError(
            path,
            "a header whose lines end with '\\r' alone, as on Macs of old",
            "'\\n' or '\\r\\n'",
            'Open it in another program, such as MeshLab, and save it again',
        )
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
                path, f'header line {line[:80]!r}', 'a line of the PLY format', DOWNLOAD_AGAIN
            ) from None
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
    if byte_order is None:
        raise RawDataError(path, 'a header without a format line', 'one', DOWNLOAD_AGAIN)
    return Header(byte_order, elements, newline + 1)


def _count(word: str) -> int:
    if not word.isdigit():
        raise ValueError(word)
    return int(word)


class List(NamedTuple):
    """A list property of all rows of an element: values (Σ lengths,), lengths (rows,) int64."""

    values: np.ndarray
    lengths: np.ndarray


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
    found = read_ply(path, ('vertex',))['vertex']
    return {name: values for name, values in found.items() if not isinstance(values, List)}


def read_ply(path: Path, names: Collection[str]) -> dict[str, dict[str, np.ndarray | List]]:
    """Read some elements of a PLY file.

    Args:
        path: the file, with 'vertex' as its first element.
        names: of the elements.

    Returns:
        Name → property → ``(rows,)`` values, or a :class:`List`; of the elements that there are.

    Raises:
        FileNotFoundError: no such file.
        RawDataError: not a PLY file, or cut off, whatever the part that is missing.
    """
    content = path.read_bytes()
    header = read_header(content, path)
    header.vertices(path)
    read = _read_binary if header.byte_order else _read_ascii
    return read(content, header, path, names)


def _read_binary(
    content: bytes, header: Header, path: Path, names: Collection[str]
) -> dict[str, dict[str, np.ndarray | List]]:
    # Before anything is made so large.
    expected = sum(element.count * element.min_row_bytes() for element in header.elements)
    size, end, found = len(content) - header.num_bytes, header.num_bytes, {}
    for element in header.elements if size >= expected else ():
        first = end
        if element.is_fixed():
            end += element.count * element.min_row_bytes()
            if element.name in names and element.properties and end <= len(content):
                kinds = [(n, header.byte_order + kind) for n, kind in element.scalars()]
                rows = np.frombuffer(content, kinds, count=element.count, offset=first)
                found[element.name] = {name: rows[name] for name, _ in kinds}
        elif end <= len(content):
            end, found[element.name] = _read_lists(
                content, element, header.byte_order, end, path, is_kept=element.name in names
            )
    expected = max(expected, end - header.num_bytes)
    if size < expected:
        announced = ', '.join(f'{element.count} × {element.name}' for element in header.elements)
        raise RawDataError(
            path,
            f'cut off, {size} bytes follow the header, which announces {announced}',
            f'at least {expected}',
            DOWNLOAD_AGAIN,
        )
    return found


def _read_lists(
    content: bytes, element: Element, order: str, first: int, path: Path, *, is_kept: bool
) -> tuple[int, dict[str, np.ndarray | List]]:
    """Read a binary element with lists.

    Returns:
        Where it ends, beyond the content if it was cut off; its properties, if they are kept.

    Raises:
        RawDataError: a list of negative length.
    """
    kinds = [np.dtype(order + (entry or kind)) for _, kind, entry in element.properties]
    counts = [np.dtype(kind if entry else 'V0') for _, kind, entry in element.properties]
    numbers = np.frombuffer(content, np.uint8)
    places = np.empty((is_kept * element.count, len(kinds)), dtype=np.int64)
    lengths = np.empty_like(places)
    end, row = _walk(
        numbers,
        first,
        element.count,
        np.array([kind.itemsize for kind in counts]),
        np.array([kind.itemsize for kind in kinds]),
        np.array([kind.kind == 'i' for kind in counts]),
        order == '>',
        places,
        lengths,
    )
    if end < 0:
        raise RawDataError(
            path,
            f'row {row} of element {element.name} has a list of negative length',
            '0 or more',
            DOWNLOAD_AGAIN,
        )
    found = {}
    for k, (name, _, entry) in enumerate(
        element.properties if is_kept and row == element.count and end <= len(content) else ()
    ):
        counted = lengths[:, k]
        within = np.arange(counted.sum()) - np.repeat(np.cumsum(counted) - counted, counted)
        starts = np.repeat(places[:, k], counted) + within * kinds[k].itemsize
        values = numbers[starts[:, None] + np.arange(kinds[k].itemsize)].view(kinds[k])[:, 0]
        found[name] = List(values, counted) if entry else values
    return end, found


@compiled
def _walk(content, position, count, counts, entries, signed, is_big, places, lengths):
    """Go from row to row of a binary element with lists.

    Args:
        content: ``(bytes,)`` uint8.
        position: where its first row begins.
        count: number of rows.
        counts: ``(properties,)`` bytes of a list's length, 0 if it is none.
        entries: ``(properties,)`` bytes of a value.
        signed: ``(properties,)`` whether a list's length has a sign.
        is_big: whether the first byte counts most.
        places: ``(count, properties)`` is filled with where the first value lies; or no rows.
        lengths: likewise with the number of values.

    Returns:
        Where the last row ends, beyond the content if it was cut off, -1 after a negative length;
        and the row.
    """
    for row in range(count):
        for k in range(len(counts)):
            size = counts[k]
            if position + size > len(content):
                return position + size, row
            length = 0
            for byte in range(size):
                place = position + (byte if is_big else size - 1 - byte)
                length = length * 256 + np.int64(content[place])
            if signed[k] and length >> (8 * size - 1):
                return -1, row
            if size == 0:
                length = 1
            if row < len(places):
                places[row, k] = position + size
                lengths[row, k] = length
            position += size + length * entries[k]
    return position, count


def _read_ascii(
    content: bytes, header: Header, path: Path, names: Collection[str]
) -> dict[str, dict[str, np.ndarray | List]]:
    lines = content[header.num_bytes :].splitlines()
    num_lines = sum(element.count for element in header.elements)
    if len(lines) < num_lines:
        raise RawDataError(
            path, f'cut off, {len(lines)} lines follow the header', f'{num_lines}', DOWNLOAD_AGAIN
        )
    found, first = {}, 0
    for element in header.elements:
        if element.name in names:
            rows = lines[first : first + element.count]
            read = _ascii_rows if element.is_fixed() else _ascii_lists
            found[element.name] = read(rows, element, path)
        first += element.count
    return found


def _ascii_rows(lines: list[bytes], element: Element, path: Path) -> dict[str, np.ndarray]:
    width = len(element.properties)
    rows = np.empty((len(lines), width))
    for row, line in enumerate(lines):
        try:
            words = line.split()
            if len(words) != width:  # numpy would spread a single number over the row
                raise ValueError(words)
            rows[row] = [number(word) for word in words]
        except ValueError:
            raise _odd_line(path, element, row, line, f'{width} numbers') from None
    return {name: rows[:, k] for k, (name, _, _) in enumerate(element.properties)}


def _ascii_lists(lines: list[bytes], element: Element, path: Path) -> dict[str, np.ndarray | List]:
    values: list[list[float]] = [[] for _ in element.properties]
    lengths = np.ones((len(lines), len(values)), dtype=np.int64)
    for row, line in enumerate(lines):
        words, place = line.split(), 0
        try:
            for k, (_, _, entry) in enumerate(element.properties):
                length = int(words[place]) if entry else 1
                place += entry is not None
                end = place + length
                if end < place or end > len(words):
                    raise ValueError(line)
                lengths[row, k] = length
                values[k] += [number(word) for word in words[place:end]]
                place = end
            if place != len(words):
                raise ValueError(line)
        except (ValueError, IndexError):
            expected = f'{len(element.scalars())} numbers, and of a list property its length first'
            raise _odd_line(path, element, row, line, expected) from None
    return {
        name: List(np.array(values[k]), lengths[:, k]) if entry else np.array(values[k])
        for k, (name, _, entry) in enumerate(element.properties)
    }


def _odd_line(path: Path, element: Element, row: int, line: bytes, expected: str) -> RawDataError:
    text = line[:60].decode('ascii', errors='replace')
    return RawDataError(path, f'{element.name} {row} reads {text!r}', expected, DOWNLOAD_AGAIN)
