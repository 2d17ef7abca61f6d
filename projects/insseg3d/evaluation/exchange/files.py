# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Folders and archives of exchanged files, and the ids of labels in them."""

import posixpath
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

_LONGEST_INTEGER = 100  # characters of a line, including blanks


class ExchangeError(ValueError):
    """A file that cannot be used.

    Args:
        where: Name of the file, with the line if known.
        found: What was found.
        expected: What was expected.
    """

    def __init__(self, where: str, found: str, expected: str) -> None:
        # Quoted names and words may contain line breaks; the message is one line.
        super().__init__(' '.join(f'{where}: {found}; expected {expected}'.splitlines()))


class LabelSet(NamedTuple):
    """Classes and their ids in files.

    Attributes:
        names: Names of the K classes.
        ids: Ids of the K classes, positive and different.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> 'LabelSet':
        """Read lines ``id name``.

        Raises:
            ExchangeError: a line is something else, an id is not positive or occurs twice.
        """
        names, ids = [], []
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), start=1):
            if not line.strip():
                continue
            first, _, name = line.strip().partition(' ')
            if not first.isdigit() or int(first) == 0 or not name.strip() or int(first) in ids:
                raise ExchangeError(
                    f'{path}:{number}', f'{line[:60]!r}', 'a new positive id and a name'
                )
            ids.append(int(first))
            names.append(name.strip())
        if not ids:
            raise ExchangeError(str(path), 'no line', 'lines of an id and a name')
        return cls(tuple(names), tuple(ids))

    def labels(self, ids: np.ndarray) -> np.ndarray:
        """Look up the class index of each id, as int64; K if the id belongs to no class."""
        order = np.argsort(self.ids)
        known = np.asarray(self.ids)[order]
        rows = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[rows] == ids, order[rows], len(known)).astype(np.int64)


class Source(Protocol):
    """A folder or an archive."""

    path: Path

    def names(self) -> Sequence[str]:
        """Return the names of all files, relative to the top of the source."""

    def read(self, name: str) -> bytes:
        """Read a file; KeyError if there is no such file, ExchangeError if it is damaged."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._names = sorted(
            file.relative_to(path).as_posix() for file in path.rglob('*') if file.is_file()
        )

    def names(self) -> list[str]:
        return self._names

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            raise KeyError(str(error)) from None

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size


class _Archive:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path.open('rb'))
        except OSError as error:
            if error.filename is not None:  # the file cannot be opened, e.g. for lack of permission
                raise
            raise ExchangeError(str(path), f'no zip archive ({error})', 'a whole one') from None
        except Exception as error:  # a damaged archive raises errors of many classes
            raise ExchangeError(
                str(path), f'no zip archive ({str(error)[:100]})', 'a whole one'
            ) from None
        self._names = sorted(info.filename for info in self._zip.infolist() if not info.is_dir())

    def names(self) -> list[str]:
        return self._names

    def read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except KeyError:
            raise
        except Exception as error:
            # The member is damaged, encrypted, or compressed by an unsupported method.
            raise ExchangeError(
                f'{self.path}/{name}',
                f'cannot be read ({str(error)[:100]})',
                'a whole file without a password',
            ) from None

    def size(self, name: str) -> int:
        return self._zip.getinfo(name).file_size


def open_source(path: Path) -> Source:
    """Open a folder or a ``.zip`` archive.

    Raises:
        FileNotFoundError: There is no such folder or archive.
        ExchangeError: The path is neither a folder nor an archive.
    """
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such folder or archive')
    return _Folder(path) if path.is_dir() else _Archive(path)


def inner_path(where: str, name: str) -> str:
    """Normalise a relative path that stays below the top.

    Raises:
        ExchangeError: The path is absolute, leads out of the top, or has backslashes.
    """
    normal = posixpath.normpath(name)
    if name.startswith('/') or '\\' in name or ':' in name or normal.split('/')[0] == '..':
        raise ExchangeError(where, f'the path {name[:200]!r}', 'a relative path that stays inside')
    return normal


def integer_lines(content: bytes, where: str) -> np.ndarray:
    """Read one integer per line, as ``(lines,)`` int64.

    Raises:
        ExchangeError: A line is not an integer. The message names the first such line.
    """
    data = np.frombuffer(content, np.uint8)
    # Fast path for the usual mask, one digit per line.
    if len(data) and len(data) % 2 == 0 and (data[1::2] == 10).all():
        digits = data[::2].astype(np.int64) - 48
        if ((digits >= 0) & (digits <= 9)).all():
            return digits
    lines = content.split(b'\n')
    if lines and not lines[-1].strip():
        lines.pop()
    try:
        # numpy's table is as wide as the longest line, and numpy ignores NUL bytes.
        if (data == 0).any() or max(map(len, lines), default=0) > _LONGEST_INTEGER:
            raise ValueError
        return np.array(lines, dtype=np.bytes_).astype(np.int64) if lines else np.zeros(0, np.int64)
    except (ValueError, OverflowError):
        for number, line in enumerate(lines, start=1):
            if not _is_integer(line):
                text = line[:40].decode('ascii', errors='replace')
                raise ExchangeError(
                    f'{where}:{number}', f'{text!r}', 'an integer of 64 bits'
                ) from None
    return np.array([int(line) for line in lines], dtype=np.int64)


def _is_integer(line: bytes) -> bool:
    try:
        return -(2**63) <= int(line) < 2**63
    except ValueError:
        return False
