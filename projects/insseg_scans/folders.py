# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scans in a folder, and their names: one rule for all tools.

Only names decide whether an entry is a scan. A dead link, or a file on a disk that is not mounted,
is a scan that fails; it is not ignored.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from .errors import RawDataError

ARRAY_FOLDERS = 'folders with coord.npy, and perhaps color.npy and others'
"""Layout with one file per array, for messages."""
LONGEST_NAME = 200
"""Bytes of a file name that is derived from a scan's; file systems allow 255 with its affixes."""

_COORDS = ('coord', 'coords', 'xyz', 'points', 'positions', 'coordinates', 'vertices')
_COLORS = ('color', 'colors', 'colour', 'colours', 'rgb')
_COMPANION = re.compile(
    '|'.join(_COLORS) + r'|normals?|segment\d*|semantics?|labels?|instances?|strength|intensity'
    r'|superpoints?'
)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def why_out_of_reach(path: Path, *, absent: str | None = None) -> str | None:
    """Explain why a path cannot be reached; return None if it can.

    Args:
        path: The path.
        absent: Words for a path that does not exist; None takes the system's message.
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
    """Refuse a path that cannot be reached.

    Raises:
        RawDataError: If the path is a dead link, does not exist, or cannot be reached.
    """
    reason = why_out_of_reach(path)
    if reason is not None:
        raise RawDataError(
            path,
            reason,
            'a file or folder',
            'Mount its disk, restore it, or remove the link',
        )


def refuse_dead_links(*paths: Path) -> None:
    """Refuse dead links, so that the file behind one is not mistaken for an absent optional file.

    Raises:
        RawDataError: If one of the paths is a dead link, or is inside one.
    """
    for path in paths:
        if any(map(_is_dead_link, (path, *path.parents))):
            check_in_reach(path)


def is_there(path: Path, kind: Callable[[int], bool]) -> bool:
    """Return whether a path has a kind, such as ``stat.S_ISDIR``; False if it cannot be reached."""
    try:
        return kind(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def arrays_in(folder: Path) -> dict[str, Path]:
    """Return the files of a scan that is a folder, by name; empty if the folder is no scan.

    Such a folder has one file of coordinates. It is called ``coord.npy``; other names, such as
    ``points.npy``, are accepted if the folder also has colours, normals or labels.
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
    """Return the files of a scan: the scan itself, or the arrays of a folder.

    Args:
        scan: File or folder.
        labels: Whether to include more than the coordinates and colours of a folder.

    Raises:
        RawDataError: If the scan or one of its files cannot be reached.
    """
    check_in_reach(scan)
    if not is_there(scan, stat.S_ISDIR):
        return [scan]
    files = [
        file for name, file in arrays_in(scan).items() if labels or name in (*_COORDS, *_COLORS)
    ]
    if not files:
        os.listdir(scan)  # raises the reason if it is not readable
        raise RawDataError(
            scan, 'a folder that is no scan', ARRAY_FOLDERS, 'Give the scans in it one by one'
        )
    for file in files:
        check_in_reach(file)
    return files


def scans_in(
    folder: Path, endings: Collection[str], skipped: Collection[str] = ()
) -> tuple[list[Path], list[Path]]:
    """List the scans of a folder by name, and the files that are no scans.

    Names that begin with a dot are ignored: macOS adds ``._scan.ply`` to ``scan.ply``. A folder
    with arrays is a scan, see :func:`arrays_in`; this applies to ``folder`` itself too. The files
    of such a scan, for example ``color.npy``, are no scans. A dead link without an ending counts as
    such a folder.

    Args:
        folder: The folder.
        endings: Endings of scans, in lower case.
        skipped: Real paths of files to ignore.

    Raises:
        OSError: If the folder cannot be read.
    """
    scans: list[Path] = []
    others: list[Path] = []
    arrays = list(arrays_in(folder).values())
    if arrays:
        scans.append(folder)
    is_crowded = len(arrays) > 1  # then all other arrays belong to it too
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
    """Return whether a file is a scan by its name, even if it cannot be reached."""
    ending = path.suffix.lower()
    if not ending:
        return path.is_symlink() and why_out_of_reach(path) is not None
    return ending in endings and not is_companion(path)


def is_companion(path: Path) -> bool:
    """Return whether a file is an array of colours, normals or labels."""
    return path.suffix == '.npy' and bool(_COMPANION.fullmatch(path.stem))


def stem_of(scan: Path) -> str:
    """Return the name of a scan without its ending; the whole name of a folder."""
    if scan.suffix and not is_there(scan, stat.S_ISDIR):
        return scan.stem
    return scan.name or Path(os.path.abspath(scan)).name


def file_name(name: str, whole: str | Path) -> str:
    """Make a file name of a scan's name; it is unchanged if it is UTF-8 and not too long.

    Bytes that are not UTF-8 are written as ``%FC``. Long names are cut, see :func:`marked_name`.

    Args:
        name: Name of the scan, without ``/``.
        whole: Name or path that identifies the scan.
    """
    text = ''.join(f'%{ord(c) - 0xDC00:02X}' if '\udc80' <= c <= '\udcff' else c for c in name)
    text = text.encode('utf-8', 'replace').decode()
    return text if len(text.encode()) <= LONGEST_NAME else marked_name(text, whole)


def marked_name(name: str, whole: str | Path) -> str:
    """Join the end of a name with a hash of the name or path that identifies the scan."""
    mark = hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]
    end = name.encode()[-(LONGEST_NAME - len(mark) - 1) :].decode(errors='ignore')
    return f'{end.lstrip(".")}-{mark}'
