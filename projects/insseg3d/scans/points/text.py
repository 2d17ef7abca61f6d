# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scans in plain text: a point a line, with or without names above them."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..columns import COLUMNS_REMEDY, KNOWN_NAMES, name_positions, plain_name
from ..errors import RawDataError
from .text_table import number as number_of
from .text_table import numbers_or_holes, parse_table

_MOST_LINES_ABOVE = 100
_LONGEST_LINE = 100_000
_NEWLINE, _RETURN, _TAB, _BLANK = map(ord, '\n\r\t ')
_EMPTY = re.compile(rb'(?:(?<=\t)|(?<=\n)|\A) *(?=\t)')
_ONLY_MARKS = re.compile(rb'^[\t ]+$|^[\t ]+(?=\r\n)', re.MULTILINE)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+(,\d+)?')


def read_text_table(
    path: Path, columns: Sequence[str] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Read numbers between blanks, commas or semicolons.

    Above the points there may stand: empty lines; the number of points, as in .pts; remarks that
    begin with # or //; names of the columns, with or without such a mark. Names may hold blanks
    where the columns stand between tabs, commas or semicolons. Between semicolons, a comma is that
    of a decimal number. NaN, in any of the ways that programs write it, and nothing between two
    commas, semicolons or tabs are NaN.

    Args:
        path: the file.
        columns: names of the columns, '-' for one to pass over; None: those of the header, or,
            without one, those that ``POSITIONS`` gives to so many columns.

    Returns:
        The names and a ``(P, columns)`` float64 table.

    Raises:
        RawDataError: no points, a line with another number of columns, something that is no
            number, columns that nobody names, or more or fewer names than columns.
    """
    text = np.fromfile(path, np.uint8)
    if (
        bytes(text[:2]) in (b'\xff\xfe', b'\xfe\xff')
        or 4 * np.count_nonzero(text[:_MOST_LINES_ABOVE] == 0) > len(text[:_MOST_LINES_ABOVE]) > 0
    ):
        raise RawDataError(
            path,
            'characters of 16 bits, or no text',
            'UTF-8',
            'Save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8',
        )
    if bytes(text[:3]) == b'\xef\xbb\xbf':  # the mark that some editors put before UTF-8
        text[:3] = _BLANK
    # Lines of old Macs end with '\r' alone.
    text[np.flatnonzero((text[:-1] == _RETURN) & (text[1:] != _NEWLINE))] = _NEWLINE
    header, first = _blank_out_header(text, path)
    width = len(_split(first))
    mark = _mark(first)
    if not _split(first)[-1] and columns is None and len(_split(header or '')) != width:
        raise RawDataError(
            path,
            f'lines that end with {mark!r}: {first[:80]!r}',
            'nothing behind the last column',
            f"Take it away (sed 's/{mark} *$//'), or name the columns with --columns, - for the "
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
    if mark == ';':
        text[text == ord(',')] = ord('.')
    if mark != ' ':
        text = _with_holes(text, mark)
    if 'e' in first.lower():  # as numpy.savetxt writes; parse_table would take these one by one
        return names, _parse_exponents(text, path, width)
    return names, parse_table(text, path, columns=width, read_line=numbers_or_holes)


def _with_holes(text: np.ndarray, mark: str) -> np.ndarray:
    """Tabs in the place of the marks between columns, and ``nan`` where nothing stood before one.

    Else a line with a hole and a number too many would have as many numbers as there are columns.
    """
    text[text == _TAB] = _BLANK
    text[text == ord(mark)] = _TAB
    content = text.tobytes()
    if not _EMPTY.search(content):
        return text
    content = _EMPTY.sub(b'nan', _ONLY_MARKS.sub(b'', content))
    return np.frombuffer(content, np.uint8).copy()


def _header_names(header: str, first: str, path: Path) -> tuple[str, ...] | None:
    """The names in the line above the points; None if it is a remark.

    Args:
        header: that line, without the mark of a remark.
        first: the first line of points.
        path: for messages.

    Raises:
        RawDataError: names, but not one a column.
    """
    width, names = len(_split(first)), _split(header)
    if _mark(first) == ' ' and '\t' in first and len(header.split('\t')) == width:
        names = [name.strip() for name in header.split('\t')]  # which may hold blanks
    if len(names) == width:
        return tuple(names)
    # By position, a column that was not meant would be read without a word.
    if sum(plain_name(name) in KNOWN_NAMES for name in names) > 1:
        raise RawDataError(
            path,
            f'{len(names)} names above {width} columns: {header[:80]!r}',
            'a name a column, without blanks in it unless tabs or commas stand between',
            f'{COLUMNS_REMEDY}; or remove the line if it names no columns',
        )
    return None


def _parse_exponents(text: np.ndarray, path: Path, width: int) -> np.ndarray:
    lines = text.tobytes().decode('ascii', errors='replace').splitlines()
    try:
        table = np.loadtxt(lines, ndmin=2)
        if table.shape[1] == width and b'.#' not in text.tobytes():  # -1.#IND, no remark
            return table
        complaint = f'{table.shape[1]} columns in all lines'
    except ValueError as error:
        complaint = f'{error} (rows counted below the header)'
    try:  # which knows holes, and is slower
        return parse_table(text, path, columns=width, read_line=numbers_or_holes)
    except RawDataError:
        raise RawDataError(path, complaint, f'{width} numbers a line', 'Correct the line') from None


def _blank_out_header(text: np.ndarray, path: Path) -> tuple[str | None, str]:
    """Put blanks in the place of what stands above the points, so that line numbers stay.

    Returns:
        The last line above the points, None without, and the first line of points.
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
    raise RawDataError(path, 'no line of numbers', 'a point a line', 'Export the scan again')


def _are_positions(words: list[str]) -> bool:
    """Whether this is 0 1 2 3 …, the header that pandas gives to columns without names."""
    return len(words) > 3 and words == [str(k) for k in range(len(words))]


def _mark(line: str) -> str:
    """What stands between the columns of a line: ';', ',' or ' '."""
    return next((mark for mark in ';,' if mark in line), ' ')


def _split(line: str) -> list[str]:
    """The columns of a line."""
    mark = _mark(line)
    return line.split() if mark == ' ' else [word.strip() for word in line.split(mark)]


def _refuse_writing(line: str, row: int, path: Path) -> None:
    """Refuse numbers that are written so that columns cannot be told from decimals."""
    bare = line.replace('"', '').replace("'", '')
    if bare != line and _split(bare) and all(map(_is_number, _split(bare))):
        raise RawDataError(
            path,
            f'line {row} has numbers in quotes: {line[:80]!r}',
            'numbers without them',
            """Take them away, e.g. sed 's/"//g', and write decimal points""",
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
