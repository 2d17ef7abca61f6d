# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reader of PLY files: ascii and binary, both byte orders, any properties, lists of any length."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DOWNLOAD_AGAIN, RawDataError
from .compiling import compiled
from .ply_header import Element, Header, read_header
from .text_table import number


class List(NamedTuple):
    """A list property of all rows of an element.

    Attributes:
        values: (Σ lengths,) values of all rows.
        lengths: (rows,) int64, number of values of each row.
    """

    values: np.ndarray
    lengths: np.ndarray


def read_ply_vertices(path: Path) -> dict[str, np.ndarray]:
    """Read the vertices of a PLY file.

    Args:
        path: Path of the file. Its first element must be 'vertex', as is usual for scans.

    Returns:
        ``(V,)`` array of each property, by name; of the property's type, or float64 in ascii
        files. Lists are ignored.

    Raises:
        FileNotFoundError: If there is no such file.
        RawDataError: If it is no PLY file, or if it is cut off, even after the vertices.
    """
    found = read_ply(path, ('vertex',))['vertex']
    return {name: values for name, values in found.items() if not isinstance(values, List)}


def read_ply(path: Path, names: Collection[str]) -> dict[str, dict[str, np.ndarray | List]]:
    """Read some elements of a PLY file.

    Args:
        path: Path of the file. Its first element must be 'vertex'.
        names: Names of the elements.

    Returns:
        Values ``(rows,)`` or a :class:`List` of each property, by the names of element and
        property; elements that the file lacks are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        RawDataError: If it is no PLY file, or if it is cut off anywhere.
    """
    content = path.read_bytes()
    header = read_header(content, path)
    header.vertices(path)
    read = _read_binary if header.byte_order else _read_ascii
    return read(content, header, path, names)


def _read_binary(
    content: bytes, header: Header, path: Path, names: Collection[str]
) -> dict[str, dict[str, np.ndarray | List]]:
    # The size is checked before arrays of the announced size are allocated.
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
        The position of its end, beyond the content if it is cut off; its properties if
        ``is_kept``.

    Raises:
        RawDataError: If a list has a negative length.
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
        found[name] = List(values=values, lengths=counted) if entry else values
    return end, found


@compiled
def _walk(content, position, count, counts, entries, signed, is_big, places, lengths):
    """Step through the rows of a binary element with lists.

    Args:
        content: ``(bytes,)`` uint8.
        position: Position of the first row.
        count: Number of rows.
        counts: ``(properties,)`` bytes of the list's length, 0 for a property that is no list.
        entries: ``(properties,)`` bytes of a value.
        signed: ``(properties,)`` whether the list's length is signed.
        is_big: Whether the first byte is the most significant one.
        places: ``(count, properties)``, or empty; filled with the position of the first value.
        lengths: ``(count, properties)``, or empty; filled with the number of values.

    Returns:
        The end of the last row, beyond the content if it is cut off and -1 after a negative
        length; and the number of that row.
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
        name: List(values=np.array(values[k]), lengths=lengths[:, k])
        if entry
        else np.array(values[k])
        for k, (name, _, entry) in enumerate(element.properties)
    }


def _odd_line(path: Path, element: Element, row: int, line: bytes, expected: str) -> RawDataError:
    text = line[:60].decode('ascii', errors='replace')
    return RawDataError(path, f'{element.name} {row} reads {text!r}', expected, DOWNLOAD_AGAIN)
