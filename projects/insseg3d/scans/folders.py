# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Which entries of a folder are scans, and what they are called: one rule for all tools.

Names decide, never whether something can be reached: what lies behind a dead link, or on a disk
that is not mounted, is a scan that fails, not one that was never there.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from .errors import RawDataError

ARRAY_FOLDERS = 'folders with coord.npy, and color.npy and the like beside it'
"""The layout with a file an array, for messages."""
LONGEST_NAME = 200
"""Bytes of a name that is made from a scan's. File systems take 255, with what is put around it."""

_COORDS = ('coord', 'coords', 'xyz', 'points', 'positions', 'coordinates', 'vertices')
_COLORS = ('color', 'colors', 'colour', 'colours', 'rgb')
_COMPANION = re.compile(
    '|'.join(_COLORS) + r'|normals?|segment\d*|semantics?|labels?|instances?|strength|intensity'
    r'|superpoints?'
)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def why_out_of_reach(path: Path, *, absent: str | None = None) -> str | None:
    """Why a name leads to nothing, in words; None if it leads to something.

    Args:
        path: the name.
        absent: words for what was never there; None: the system's own.
    """
    try:
        os.stat(path)
    except OSError as error:
        reason = error.strerror or str(error)
        if absent is not None and isinstance(error, FileNotFoundError):
            reason = absent
        link = next((part for part in (path, *path.parents) if _is_dead_link(part)), None)
        if link is None:
            return reason
        away = 'which is not there' if error.errno in _GONE else f'which fails: {reason}'
        inside = '' if link == path else f'{link} is a '
        return f'{inside}link to {os.readlink(link)}, {away}'
    return None


def _is_dead_link(path: Path) -> bool:
    return os.path.islink(path) and not is_there(path, bool)


def check_in_reach(path: Path) -> None:
    """Refuse a name that leads to nothing.

    Raises:
        RawDataError: a dead link, nothing of that name, or a place that cannot be reached.
    """
    reason = why_out_of_reach(path)
    if reason is not None:
        raise RawDataError(
            path,
            reason,
            'what the name promises',
            'Mount its disk, fetch it, or take the name out',
        )


def refuse_dead_links(*paths: Path) -> None:
    """Refuse a missing file that a link promises, before it is taken for one that never was.

    Raises:
        RawDataError: one of the paths is a dead link, or lies behind one.
    """
    for path in paths:
        if any(map(_is_dead_link, (path, *path.parents))):
            check_in_reach(path)


def is_there(path: Path, kind: Callable[[int], bool]) -> bool:
    """Tell whether a path leads to a kind of thing, such as ``stat.S_ISDIR``; never an error."""
    try:
        return kind(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def arrays_in(folder: Path) -> dict[str, Path]:
    """Name → file of the arrays of a scan that is a folder; empty if the folder is no scan.

    Such a folder has one file of coordinates, called ``coord.npy``, or like one of the arrays of
    an ``.npz`` with companions (colours, normals, labels) beside it.
    """
    try:
        names = [name for name in sorted(os.listdir(folder)) if name.endswith('.npy')]
    except OSError:
        return {}
    stems = [name.removesuffix('.npy') for name in names if name[0] != '.']
    coords = [stem for stem in stems if stem in _COORDS]
    companions = [stem for stem in stems if _COMPANION.fullmatch(stem)]
    if len(coords) != 1 or not (companions or coords == ['coord']):
        return {}
    return {stem: folder / f'{stem}.npy' for stem in (*coords, *companions)}


def files_of(scan: Path, *, labels: bool = True) -> list[Path]:
    """The files that a scan is made of: itself, or the arrays of a folder.

    Args:
        scan: file or folder.
        labels: of a folder, whether to take more than places and colours.

    Raises:
        RawDataError: it cannot be reached, or one of them cannot.
    """
    check_in_reach(scan)
    if not is_there(scan, stat.S_ISDIR):
        return [scan]
    files = [
        file for name, file in arrays_in(scan).items() if labels or name in (*_COORDS, *_COLORS)
    ]
    if not files:
        os.listdir(scan)  # tells why, where it may not be read
        raise RawDataError(
            scan, 'a folder that is no scan', ARRAY_FOLDERS, 'Give the scans in it one by one'
        )
    for file in files:
        check_in_reach(file)
    return files


def scans_in(
    folder: Path, endings: Collection[str], skipped: Collection[str] = ()
) -> tuple[list[Path], list[Path]]:
    """The scans of a folder, by name, and the files that are none.

    Names that begin with a dot are passed over: a Mac puts ``._scan.ply`` beside ``scan.ply``.
    Folders are scans if they hold arrays, see :func:`arrays_in`; a folder that does is itself the
    scan. Files that belong to such a scan, like ``color.npy``, are none. A dead link without an
    ending may have been such a folder.

    Args:
        folder: the folder.
        endings: of files that are scans, in small letters.
        skipped: real paths of files that are passed over.

    Raises:
        OSError: the folder cannot be read.
    """
    scans: list[Path] = []
    others: list[Path] = []
    arrays = list(arrays_in(folder).values())
    if arrays:
        scans.append(folder)
    is_crowded = len(arrays) > 1  # then other arrays, whatever they are, belong to it too
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name[0] == '.' or path in arrays or os.path.realpath(path) in skipped:
            continue
        if is_there(path, stat.S_ISDIR):
            scans += [path] if arrays_in(path) else []
        elif is_scan(path, endings) and not (is_crowded and path.suffix == '.npy'):
            scans.append(path)
        else:
            others.append(path)
    return scans, others


def is_scan(path: Path, endings: Collection[str]) -> bool:
    """Tell whether a file, there or not, is a scan by its name."""
    ending = path.suffix.lower()
    if not ending:
        return path.is_symlink() and why_out_of_reach(path) is not None
    return ending in endings and not is_companion(path)


def is_companion(path: Path) -> bool:
    """Tell whether a file is an array of colours, normals or labels beside coordinates."""
    return path.suffix == '.npy' and bool(_COMPANION.fullmatch(path.stem))


def stem_of(scan: Path) -> str:
    """A scan's name without ending; of a folder the whole name."""
    if scan.suffix and not is_there(scan, stat.S_ISDIR):
        return scan.stem
    return scan.name or Path(os.path.abspath(scan)).name


def file_name(name: str, whole: str | Path) -> str:
    """A name for files made from a scan: as it is, if it is UTF-8 and not too long.

    Bytes that are no UTF-8 become ``%FC``. A long name gets a mark, see :func:`marked_name`.

    Args:
        name: of the scan, without ``/``.
        whole: what the scan is told apart by, its name or path.
    """
    text = ''.join(f'%{ord(c) - 0xDC00:02X}' if '\udc80' <= c <= '\udcff' else c for c in name)
    text = text.encode('utf-8', 'replace').decode()
    return text if len(text.encode()) <= LONGEST_NAME else marked_name(text, whole)


def marked_name(name: str, whole: str | Path) -> str:
    """The end of a name, and a hash of what the scan is told apart by."""
    mark = hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]
    end = name.encode()[-(LONGEST_NAME - len(mark) - 1) :].decode(errors='ignore')
    return f'{end.lstrip(".")}-{mark}'
