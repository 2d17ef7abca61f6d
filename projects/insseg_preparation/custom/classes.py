# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The class list of users' own scans, and the stored id of each of their labels."""

import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg_scans.errors import RawDataError
from insseg_scans.folders import is_there

_NO_CLASS = (255, 65535)  # written by label tools for "ignore", as are negative numbers
_NAMES_OF_NONE = {
    'unlabelled',
    'unlabeled',
    'unannotated',
    'unclassified',
    'ignore',
    'ignored',
    'none',
    'void',
    'background',
    'unknown',
}


class ClassList(NamedTuple):
    """Classes in the order of their indices.

    Attributes:
        names: Names of the K classes.
        ids: Semantic ids of the classes in the scans; None if they are the indices 0..K−1.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] | None = None

    def stored(self, semantic: np.ndarray, path: Path) -> tuple[np.ndarray, list[str]]:
        """Convert labels to stored ids: class k becomes k + 1, everything else 0.

        Args:
            semantic: ``(P,)`` int64, labels of the scan.
            path: Path of the scan, for messages.

        Returns:
            ``(P,)`` int64, and remarks.

        Raises:
            RawDataError: If the list has no ids, and a label is neither an index nor one of the
                usual marks for "no class": negative, 255, 65535.
        """
        found, index, counts = np.unique(semantic, return_inverse=True, return_counts=True)
        if self.ids is None:
            is_class = (found >= 0) & (found < len(self.names))
            strange = found[~is_class & (found >= 0) & ~np.isin(found, _NO_CLASS)]
            if len(strange):
                listed = ','.join(f'{k} {name}' for k, name in enumerate(self.names, 1))
                raise RawDataError(
                    path,
                    f'semantic labels {strange[:5].tolist()} for {len(self.names)} classes',
                    f'indices 0..{len(self.names) - 1}, and −1 or 255 for no class',
                    'If the labels are ids, or count from 1, give them with the names: '
                    f'--classes "{listed}", or in a file, one per line. Labels that are not in '
                    'such a list are no class',
                )
            stored = np.where(is_class, found + 1, 0)
        else:
            order = {given: k + 1 for k, given in enumerate(self.ids)}
            stored = np.array([order.get(given, 0) for given in found.tolist()], dtype=np.int64)
        remarks = []
        outside = [(-count, given) for given, count, new in zip(found, counts, stored) if new == 0]
        share = -sum(count for count, _ in outside) / max(len(semantic), 1)
        if share == 1:
            remarks.append(f'no point has a class of the list; labels {found[:8].tolist()}')
        elif share > 0.9:
            most = [int(given) for _, given in sorted(outside)[:4]]
            remarks.append(f'{share:.0%} of the points have no class of the list; labels {most}')
        return stored[index.reshape(-1)], remarks


def read_classes(text: str) -> ClassList:
    """Read a class list.

    Args:
        text: Path of a file with one class per line, or classes separated by commas. Each is a
            name, or an id and a name: ``3 office chair``.

    Raises:
        FileNotFoundError: If the text has no comma, looks like a path, and is no file.
        RawDataError: If there are no classes, if one occurs twice, if only some have ids, or if the
            file is not UTF-8.
    """
    path = Path(text)
    if is_there(path, stat.S_ISREG):  # no error, even if the text is very long
        entries = _lines(path)
    elif ',' not in text and (path.suffix in ('.txt', '.csv', '.tsv') or len(path.parts) > 1):
        raise FileNotFoundError(f'{path}: no such file; expected one class per line')
    else:
        path, entries = Path('--classes'), text.split(',')
    entries = [entry.strip() for entry in entries if entry.strip() and entry.strip()[0] != '#']
    pairs = [_split(entry) for entry in entries]
    names = tuple(name for _, name in pairs)
    ids = tuple(given for given, _ in pairs if given is not None)
    expected = 'one name per class, or an id and a name'
    if not names or not all(names):
        raise RawDataError(path, f'{len(names)} classes, {entries[:5]}', expected, 'Name them')
    for values in (names, ids):
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise RawDataError(path, f'{twice} twice', 'different names and ids', 'Correct it')
    none = [name for name in names if name.lower() in _NAMES_OF_NONE]
    if none:
        kept = [(k if given is None else given, n) for k, (given, n) in enumerate(pairs)]
        listed = ','.join(f'{given} {name}' for given, name in kept if name not in none)
        raise RawDataError(
            path,
            f'the class {none[0]!r}',
            'classes whose objects are to be found',
            f'Leave it out, and give the others with their ids: --classes "{listed}"; labels that '
            'are not in the list are no class',
        )
    if ids and len(ids) < len(names):
        without = [name for given, name in pairs if given is None]
        raise RawDataError(
            path, f'{without[:5]} without an id', 'ids for all classes or for none', 'Add them'
        )
    return ClassList(names=names, ids=ids or None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise RawDataError(
            path,
            f'byte {error.start + 1} is no UTF-8',
            'text in UTF-8, one class per line',
            'Save it as UTF-8',
        ) from None


def _split(entry: str) -> tuple[int | None, str]:
    """Split an entry into an id, or None, and a name."""
    for mark in (',', '\t', ';', ':'):
        entry = entry.replace(mark, ' ')
    first, _, rest = entry.partition(' ')
    try:
        return int(first), rest.strip()
    except ValueError:
        return None, ' '.join(entry.split())
