# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Where exchanged files lie, a folder or an archive, and which label has which id."""

import posixpath
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

_LONGEST_INTEGER = 100  # characters of a line, blanks too


class ExchangeError(ValueError):
    """A file of somebody's that cannot be used.

    Args:
        where: file, and line where there is one.
        found: what is wrong.
        expected: what was expected.
    """

    def __init__(self, where: str, found: str, expected: str) -> None:
        # One line, whatever names and words of others are quoted in it.
        super().__init__(' '.join(f'{where}: {found}; expected {expected}'.splitlines()))


class LabelSet(NamedTuple):
    """Classes and the ids that files give them.

    Attributes:
        names: of the K classes.
        ids: of the K classes, positive and different.
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
        """Class index of each id, K where it is of no class; int64."""
        order = np.argsort(self.ids)
        known = np.asarray(self.ids)[order]
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[places] == ids, order[places], len(known)).astype(np.int64)


class Source(Protocol):
    """A folder or an archive."""

    path: Path

    def names(self) -> Sequence[str]:
        """All files, relative to its top."""

    def read(self, name: str) -> bytes:
        """Read a file; KeyError if there is none of this name, ExchangeError if it is damaged."""

    def size(self, name: str) -> int:
        """Bytes of a file."""


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
            if error.filename is not None:  # of opening the file, such as one that may not be read
                raise
            raise ExchangeError(str(path), f'no zip archive ({error})', 'one') from None
        except Exception as error:  # a damaged archive raises whatever it likes
            raise ExchangeError(str(path), f'no zip archive ({str(error)[:100]})', 'one') from None
        self._names = sorted(info.filename for info in self._zip.infolist() if not info.is_dir())

    def names(self) -> list[str]:
        return self._names

    def read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except KeyError:
            raise
        except Exception as error:
            # Damaged, encrypted, or packed in a way that Python cannot unpack.
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
        FileNotFoundError: there is none.
        ExchangeError: it is neither.
    """
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such folder or archive')
    return _Folder(path) if path.is_dir() else _Archive(path)


def inner_path(where: str, name: str) -> str:
    """A relative path that stays below the top.

    Raises:
        ExchangeError: it is absolute, leads out, or has backslashes.
    """
    normal = posixpath.normpath(name)
    if name.startswith('/') or '\\' in name or ':' in name or normal.split('/')[0] == '..':
        raise ExchangeError(where, f'the path {name[:200]!r}', 'a relative path that stays inside')
    return normal


def integer_lines(content: bytes, where: str) -> np.ndarray:
    """Read one integer a line, ``(lines,)`` int64.

    Raises:
        ExchangeError: naming the first line that is none.
    """
    data = np.frombuffer(content, np.uint8)
    # The usual mask, a digit and a newline each, in no time.
    if len(data) and len(data) % 2 == 0 and (data[1::2] == 10).all():
        digits = data[::2].astype(np.int64) - 48
        if ((digits >= 0) & (digits <= 9)).all():
            return digits
    lines = content.split(b'\n')
    if lines and not lines[-1].strip():
        lines.pop()
    try:
        # A line of any length would make numpy's table as wide; NUL bytes it would pass over.
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
