# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reader of scans in plain text: one point per line, with or without a header."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..columns import COLUMNS_REMEDY, KNOWN_NAMES, name_positions, plain_name
from ..errors import RawDataError
from .text_table import number as number_of
from .text_table import numbers_or_holes, parse_table

_MOST_LINES_ABOVE = 100
_BYTES_OF_HEAD = 100
_LONGEST_LINE = 100_000
_NEWLINE, _RETURN, _TAB, _BLANK = map(ord, '\n\r\t ')
_EMPTY = re.compile(rb'(?:(?<=\t)|(?<=\n)|\A) *(?=\t)')
_ONLY_MARKS = re.compile(rb'^[\t ]+$|^[\t ]+(?=\r\n)', re.MULTILINE)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+(,\d+)?')


def read_text_table(
    path: Path, columns: Sequence[str] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Read numbers between blanks, commas or semicolons.

    The points may be preceded by empty lines, the number of points (as in .pts), remarks that
    begin with # or //, and the names of the columns, with or without such a mark. Names may contain
    blanks if the columns are separated by tabs, commas or semicolons. Between semicolons, a comma
    is a decimal comma. All forms of NaN, and empty fields between commas, semicolons or tabs, are
    read as NaN.

    Args:
        path: Path of the file.
        columns: Names of the columns, '-' for a column to ignore; None takes them from the header
            or, without one, from ``POSITIONS``.

    Returns:
        The names and a ``(P, columns)`` float64 table.

    Raises:
        RawDataError: If there are no points, if a line has another number of columns or anything
            but numbers, or if the names of the columns are unknown or of another number.
    """
    text = _read_utf8(path)
    header, first = _blank_out_header(text, path)
    width, mark = len(_split(first)), _mark(first)
    names = _column_names(header, first, path, columns)
    if mark == ';':
        text[text == ord(',')] = ord('.')
    if mark != ' ':
        text = _with_holes(text, mark)
    if 'e' in first.lower():  # as written by numpy.savetxt; parse_table reads these lines slowly
        return names, _parse_exponents(text, path, width)
    return names, parse_table(text, path, columns=width, read_line=numbers_or_holes)


def _read_utf8(path: Path) -> np.ndarray:
    """Read the bytes of a text, and end its lines with '\\n' or '\\r\\n'.

    Raises:
        RawDataError: If the text is not UTF-8.
    """
    text = np.fromfile(path, np.uint8)
    head = text[:_BYTES_OF_HEAD]
    if (
        bytes(head[:2]) in (b'\xff\xfe', b'\xfe\xff')
        or 4 * np.count_nonzero(head == 0) > len(head) > 0
    ):
        raise RawDataError(
            path,
            'characters of 16 bits, or no text',
            'UTF-8',
            'Save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8',
        )
    if bytes(head[:3]) == b'\xef\xbb\xbf':  # the byte order mark that some editors add to UTF-8
        text[:3] = _BLANK
    # Lines of old Macs end with '\r' alone.
    text[np.flatnonzero((text[:-1] == _RETURN) & (text[1:] != _NEWLINE))] = _NEWLINE
    return text


def _column_names(
    header: str | None, first: str, path: Path, columns: Sequence[str] | None
) -> tuple[str, ...]:
    """Name the columns by the user's names, the header, or their number.

    Args:
        header: Last line above the points, or None.
        first: First line of points.
        path: Path of the file, for messages.
        columns: Names given by the user, or None.

    Raises:
        RawDataError: If lines end with a separator, if the names are unknown or of another number,
            or if a name occurs twice.
    """
    width, mark = len(_split(first)), _mark(first)
    if not _split(first)[-1] and columns is None and len(_split(header or '')) != width:
        raise RawDataError(
            path,
            f'lines that end with {mark!r}: {first[:80]!r}',
            'nothing behind the last column',
            f"Remove it (sed 's/{mark} *$//'), or name the columns with --columns, - for the "
            'last, which is empty',
        )
    names = None
    if columns is None and header is not None:
        names = _header_names(header, first, path)
        names = names and tuple(name or '-' for name in names)
    if names is None:
        names = name_positions(width, path, columns)
    twice = sorted({name for name in names if name != '-' and names.count(name) > 1})
    if twice:
        raise RawDataError(path, f'columns {twice} twice', 'every name once', COLUMNS_REMEDY)
    return names


def _with_holes(text: np.ndarray, mark: str) -> np.ndarray:
    """Replace the separators of columns by tabs, and write ``nan`` into empty fields.

    Otherwise a line with one hole and one extra number would have the right number of columns.
    """
    text[text == _TAB] = _BLANK
    text[text == ord(mark)] = _TAB
    content = text.tobytes()
    if not _EMPTY.search(content):
        return text
    content = _EMPTY.sub(b'nan', _ONLY_MARKS.sub(b'', content))
    return np.frombuffer(content, np.uint8).copy()


def _header_names(header: str, first: str, path: Path) -> tuple[str, ...] | None:
    """Return the names in the line above the points, or None if it is a remark.

    Args:
        header: The line above the points, without the mark of a remark.
        first: The first line of points.
        path: Path of the file, for messages.

    Raises:
        RawDataError: If the line contains names, but not one per column.
    """
    width, names = len(_split(first)), _split(header)
    if _mark(first) == ' ' and '\t' in first and len(header.split('\t')) == width:
        names = [name.strip() for name in header.split('\t')]  # names may contain blanks
    if len(names) == width:
        return tuple(names)
    # Named by position instead, a wrong column would be read without an error.
    if sum(plain_name(name) in KNOWN_NAMES for name in names) > 1:
        raise RawDataError(
            path,
            f'{len(names)} names above {width} columns: {header[:80]!r}',
            'one name per column, without blanks unless tabs or commas separate the names',
            f'{COLUMNS_REMEDY}; or remove the line if it names no columns',
        )
    return None


def _parse_exponents(text: np.ndarray, path: Path, width: int) -> np.ndarray:
    lines = text.tobytes().decode('ascii', errors='replace').splitlines()
    try:
        table = np.loadtxt(lines, ndmin=2)
        if (
            table.shape[1] == width and b'.#' not in text.tobytes()
        ):  # in -1.#IND, numpy takes # for a remark
            return table
        complaint = f'{table.shape[1]} columns in all lines'
    except ValueError as error:
        complaint = f'{error} (rows counted below the header)'
    try:  # slower, but reads holes
        return parse_table(text, path, columns=width, read_line=numbers_or_holes)
    except RawDataError:
        expected = f'{width} numbers per line'
        raise RawDataError(path, complaint, expected, 'Correct the line') from None


def _blank_out_header(text: np.ndarray, path: Path) -> tuple[str | None, str]:
    """Overwrite the lines above the points with blanks, which preserves line numbers.

    Returns:
        The last line above the points, or None, and the first line of points.
    """
    header, start, has_count = None, 0, False
    for number in range(1, _MOST_LINES_ABOVE + 1):
        if start >= len(text):
            break
        end = start + int(np.argmax(text[start : start + _LONGEST_LINE] == _NEWLINE))
        end = end if text[end] == _NEWLINE else len(text)
        line = text[start:end].tobytes().decode('utf-8', errors='replace').strip()
        words = _split(line)
        may_count = not has_count and (number == 1 or header is not None)
        is_count = may_count and len(words) == 1 and words[0].isdigit()  # .pts
        has_count = has_count or is_count
        is_remark = line.startswith(('#', '//'))
        if any(words) and not is_count and not _are_positions(words):
            numeric = [_is_number(word) for word in words if word]
            if numeric and all(numeric):
                return header, line
            if not is_remark:
                _refuse_writing(line, number, path)
            if any(numeric) and not is_remark:
                raise RawDataError(
                    path,
                    f'line {number} reads {line[:80]!r}',
                    'numbers, or names of the columns',
                    'Correct the line, or put # before it',
                )
            header = line.lstrip('#/').strip()
        text[start:end] = _BLANK
        start = end + 1
    raise RawDataError(path, 'no line of numbers', 'one point per line', 'Export the scan again')


def _are_positions(words: list[str]) -> bool:
    """Return whether this is 0 1 2 3 …, the header that pandas writes for columns without names."""
    return len(words) > 3 and words == [str(k) for k in range(len(words))]


def _mark(line: str) -> str:
    """Return the separator of the columns of a line: ';', ',' or ' '."""
    return next((mark for mark in ';,' if mark in line), ' ')


def _split(line: str) -> list[str]:
    """Split a line into its columns."""
    mark = _mark(line)
    return line.split() if mark == ' ' else [word.strip() for word in line.split(mark)]


def _refuse_writing(line: str, row: int, path: Path) -> None:
    """Refuse quoted numbers, and decimal commas that cannot be distinguished from separators."""
    bare = line.replace('"', '').replace("'", '')
    if bare != line and _split(bare) and all(map(_is_number, _split(bare))):
        raise RawDataError(
            path,
            f'line {row} has numbers in quotes: {line[:80]!r}',
            'numbers without them',
            """Remove them, e.g. sed 's/"//g', and write decimal points""",
        )
    words = line.split()
    if ',' in line and len(words) > 1 and all(_DECIMAL_COMMA.fullmatch(word) for word in words):
        raise RawDataError(
            path,
            f'line {row} has decimal commas between blanks or tabs: {line[:80]!r}',
            'decimal points, or semicolons between the columns',
            "Write points, e.g. sed 's/,/./g'",
        )


def _is_number(word: str) -> bool:
    try:
        number_of(word.replace(',', '.').encode())
    except ValueError:
        return False
    return True
