# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Fast and exact reader of large plain-text tables of numbers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DOWNLOAD_AGAIN, RawDataError
from .compiling import compiled

_MOST_REPAIRS = 1000  # a file with more control characters is no text
_HOLE = re.compile(rb'[+-]?(1\.#(qnan|snan|ind|nan)\d*|[qs]?nan(\(\w*\))?)', re.IGNORECASE)
_INFINITY = re.compile(rb'[+-]?(inf|infinity|1\.#inf\d*)', re.IGNORECASE)
_ODD_WORD = re.compile(
    rb'(?<!\S)[+-]?(?:1\.#(?:qnan|snan|ind|nan|inf)\d*|[qs]?nan\(\w*\)|[qs]nan)(?!\S)',
    re.IGNORECASE,
)
_NUMBER = re.compile(rb'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?')
# Mantissas and powers within this range are exact, so their quotient is correctly rounded, like
# the result of float().
_MOST_DIGITS = 15
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)
_CONTROL = np.zeros(256, dtype=bool)
_CONTROL[:32] = True
_CONTROL[[9, 10, 13]] = False  # tab, ends of lines


class Repair(NamedTuple):
    """A repaired byte: its position (line and column from 1), and its values before and after."""

    line: int
    column: int
    found: int
    written: int

    def __str__(self) -> str:
        return (
            f'line {self.line}, column {self.column}: byte 0x{self.found:02x} '
            f'read as {chr(self.written)!r}'
        )


def repair_control_bytes(text: np.ndarray, path: Path) -> list[Repair]:
    """Set bit 0x20 of every control byte, in place: 0x10 becomes '0', 0x00 a space.

    Args:
        text: ``(bytes,)`` uint8, content of a file.
        path: Path of the file, for messages.

    Returns:
        The repaired bytes.

    Raises:
        RawDataError: If there are so many control bytes that this is no text.

    Source: the known faults of S3DIS, from lists of corrections by its users. In each of them, this
    bit of one byte is missing.
    """
    positions = np.flatnonzero(_CONTROL[text])
    if len(positions) > _MOST_REPAIRS:
        raise RawDataError(
            path, f'{len(positions)} control characters', 'numbers in plain text', DOWNLOAD_AGAIN
        )
    repairs = []
    for position in positions.tolist():
        start = _start_of_line(text, position)
        found = int(text[position])
        text[position] = found | 0x20
        repairs.append(
            Repair(
                line=_line_number(text, start),
                column=position - start + 1,
                found=found,
                written=found | 0x20,
            )
        )
    return repairs


def number(word: bytes) -> float:
    """Parse a number, including the forms of NaN and infinity: nan, -nan(ind), -1.#IND, 1.#INF.

    Raises:
        ValueError: If the word is no number.
    """
    try:
        return float(word)
    except ValueError:
        if _HOLE.fullmatch(word):
            return np.nan
        if _INFINITY.fullmatch(word):
            return -np.inf if word.startswith(b'-') else np.inf
        raise


def plain_holes(text: bytes) -> bytes:
    """Rewrite all forms of NaN and infinity in a text as nan and inf, which all readers accept."""
    return _ODD_WORD.sub(lambda word: str(number(word[0])).encode(), text)


def parse_table(
    text: np.ndarray,
    path: Path,
    *,
    columns: int,
    read_line: Callable[[bytes, int], list[float] | str] | None = None,
) -> np.ndarray:
    """Read lines of numbers between blanks. Empty lines are ignored; CRLF is an end of line.

    Args:
        text: ``(bytes,)`` uint8, content of a file.
        path: Path of the file, for messages.
        columns: Number of columns.
        read_line: Function that reads a line in an unusual format or returns what is wrong with
            it: :func:`finite_numbers` (default) or :func:`numbers_or_holes`.

    Returns:
        ``(rows, columns)`` float64, each correctly rounded.

    Raises:
        RawDataError: If a line has another number of columns, or anything but numbers; the message
            names the first such line.
    """
    table = np.empty((np.count_nonzero(text == ord('\n')) + 1, columns))
    row = position = 0
    while True:
        row, position = _parse(text, position, table, row)
        if position >= len(text):
            return table[:row]
        # The line is wrong, or has a rare format, such as 1e-3.
        end = _end_of_line(text, position)
        found = (read_line or finite_numbers)(text[position : end + 1].tobytes(), columns)
        if isinstance(found, str):
            line = _line_number(text, position)
            kind = 'finite ' if read_line is None else ''
            raise RawDataError(
                path, f'line {line} {found}', f'{columns} {kind}numbers', DOWNLOAD_AGAIN
            )
        table[row] = found
        row, position = row + 1, end + 1


def line_of_row(text: np.ndarray, row: int) -> int:
    """Return the line number, from 1, of a row of the table."""
    lines = text.tobytes().split(b'\n')
    return [number for number, line in enumerate(lines, 1) if line.strip()][row]


def finite_numbers(line: bytes, columns: int) -> list[float] | str:
    """Return the finite numbers of a line, or a description of its fault."""
    words = line.split()
    for word in words:
        if not _NUMBER.fullmatch(word) or not np.isfinite(float(word)):
            return f'holds {_shown(word)}'
    return _as_many(list(map(float, words)), columns)


def numbers_or_holes(line: bytes, columns: int) -> list[float] | str:
    """Return the numbers of a line, NaN for nan and for holes, or a description of its fault.

    An empty field between tabs is a hole if the line has as many fields as the table has columns.
    After the last tab it is a hole only if the line is terminated, because the file may be cut off
    there.
    """
    words = line.split()
    if len(words) < columns:
        fields = line.rstrip(b'\r\n').split(b'\t')
        is_whole = line.endswith(b'\n') or fields[-1].strip()
        if len(fields) == columns and is_whole:
            words = [field.strip() or b'nan' for field in fields]
    values = []
    for word in words:
        try:
            if b'_' in word:  # Python accepts 1_000 as a number
                raise ValueError(word)
            values.append(number(word))
        except ValueError:
            is_quoted = word[:1] in b'"\'' and word.strip(b'"\'') != word
            return f'holds {_shown(word)}{", in quotes, which must go" if is_quoted else ""}'
    return _as_many(values, columns)


def _as_many(values: list[float], columns: int) -> list[float] | str:
    return values if len(values) == columns else f'has {len(values)} columns'


def _shown(word: bytes) -> str:
    return repr(word[:40].decode('ascii', 'replace'))


@compiled
def _start_of_line(text, position):
    while position > 0 and text[position - 1] != 10:
        position -= 1
    return position


@compiled
def _end_of_line(text, position):
    while position < len(text) and text[position] != 10:
        position += 1
    return position


def _line_number(text: np.ndarray, start: int) -> int:
    return int(np.count_nonzero(text[:start] == ord('\n'))) + 1


@compiled
def _parse(text, position, table, row):
    """Read lines of plain decimal numbers into a table, up to the end or a line in another format.

    Returns:
        The next row, and the start of the first line that was not read, or the length of the text.
    """
    size, columns = len(text), table.shape[1]
    while position < size:
        start, column = position, 0
        while True:
            while position < size and (text[position] in (32, 9, 13)):
                position += 1
            if position == size or text[position] == 10:
                position += 1
                break
            if column == columns:
                return row, start
            sign = text[position]
            if sign == 45 or sign == 43:  # - +
                position += 1
            mantissa = digits = decimals = 0
            is_decimal = False
            while position < size:
                char = text[position]
                if 48 <= char <= 57:
                    mantissa = mantissa * 10 + (char - 48)
                    digits += 1
                    decimals += is_decimal
                elif char == 46 and not is_decimal:
                    is_decimal = True
                else:
                    break
                position += 1
            ended = position == size or text[position] in (32, 9, 13, 10)
            if not ended or digits == 0 or digits > _MOST_DIGITS:
                return row, start
            value = mantissa / _POWERS[decimals]
            table[row, column] = -value if sign == 45 else value
            column += 1
        if column == columns:
            row += 1
        elif column > 0:
            return row, start
    return row, size
