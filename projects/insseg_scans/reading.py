# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Finder and reader of any file with points; errors are described in one line."""

import dataclasses
import glob
import os
import stat
import struct
import traceback
import zipfile
import zlib
from pathlib import Path
from typing import Any, NoReturn

from .columns import ColumnNames
from .errors import RawDataError, words_of
from .folders import ARRAY_FOLDERS, arrays_in, is_companion, is_scan, scans_in, why_out_of_reach
from .meshes.reading import read_gltf, sample_mesh
from .points.formats import read_bin, read_las, read_obj, read_pcd, refuse_bomb
from .points.tables import ENDINGS as TABLE_ENDINGS
from .points.tables import read_scan as read_table
from .scan import Scan

MESHES = ('.obj', '.glb', '.gltf')
ENDINGS = (*TABLE_ENDINGS, '.pcd', '.las', '.laz', '.bin', *MESHES)
_MAGIC = {
    b'ply\n': '.ply',
    b'ply\r': '.ply',
    b'LASF': '.las',
    b'\x93NUM': '.npy',
    b'PK\x03\x04': '.npz',
    b'glTF': '.glb',
    b'# .P': '.pcd',
}
_ARCHIVES = {
    b'\x1f\x8b': 'packed by gzip',
    b'BZh': 'packed by bzip2',
    b'\xfd7zXZ': 'packed by xz',
    b'\x28\xb5\x2f\xfd': 'packed by zstd',
    b'7z\xbc\xaf\x27\x1c': 'a 7z archive',
    b'Rar!': 'a rar archive',
}
_SAME = {'.laz': '.las'}
_MALFORMED = (ValueError, EOFError, struct.error, zipfile.BadZipFile, zlib.error)


def find_scans(source: Any) -> list:
    """List the scans of a path, a folder, a pattern, an object, or a list of these.

    Args:
        source: One of: a path; a folder, for all its files with one of ``ENDINGS``, by name, and
            its folders with one file per array, see ``scans_in``, but no other folders; a pattern
            with ``*``, ``?`` or ``[``; any source of ``scan_of``; a list or tuple of these.

    Returns:
        Paths and objects.

    Raises:
        RawDataError: If a folder or pattern has no scans.
    """
    if isinstance(source, (list, tuple)):
        return [scan for part in source for scan in find_scans(part)]
    if not isinstance(source, (str, Path)):
        return [source]
    path = Path(source)
    try:
        if path.is_dir():
            scans, _ = scans_in(path, ENDINGS)
        elif os.path.lexists(path) or not glob.has_magic(str(source)):
            return [path]
        else:
            found = map(Path, sorted(glob.glob(str(source), recursive=True)))
            scans = [p for p in found if arrays_in(p) or is_scan(p, ENDINGS) and not p.is_dir()]
    except OSError as error:
        raise RawDataError(
            path, error.strerror or str(error), 'a scan', 'Correct the path'
        ) from None
    if not scans:
        raise RawDataError(
            path,
            'no scan',
            f'files that end with {" ".join(ENDINGS)}, or {ARRAY_FOLDERS}',
            'Correct the path',
        )
    return scans


def read_scan(path: Path, *, columns: tuple[str, ...] | None = None, mesh_samples: int = 0) -> Scan:
    """Read a scan of any format, without its labels.

    Args:
        path: Path of a file; if its content contradicts its ending, the content decides. Or a
            folder with one file per array, or the coord.npy in it.
        columns: Names of the columns of a table without names, '-' for a column to ignore.
        mesh_samples: Number of points to draw from the surfaces of a mesh; 0 takes its vertices.

    Raises:
        RawDataError: If the scan cannot be read; no other exception is raised.
    """
    path = Path(path)
    arrays = arrays_in(path.parent) if path.suffix == '.npy' else {}
    if path in arrays.values():
        if is_companion(path):
            raise RawDataError(
                path, f'belongs to {next(iter(arrays.values()))}', 'coordinates', 'Give the folder'
            )
        path = path.parent
    try:
        ending, notes = _kind(path)
        scan = _read(path, ending, ColumnNames(columns=columns, labels=False), mesh_samples)
    except RawDataError:
        raise
    except OSError as error:
        raise RawDataError(
            path,
            why_out_of_reach(path) or error.strerror or words_of(error),
            'a file that can be read',
            'Correct the path, or its permissions',
        ) from None
    except MemoryError:
        raise RawDataError(
            path,
            'more than the memory takes',
            'a scan that fits into it',
            'Reduce its points, or cut it into pieces',
        ) from None
    except _MALFORMED as error:
        raise RawDataError(
            path,
            f'cannot be read as {ending} ({words_of(error)})',
            'a whole file',
            'Export it again',
        ) from None
    except Exception as error:  # the file may be correct, and other scans continue
        raise RawDataError(
            path,
            f'{type(error).__name__} in {_place_of(error)}',
            'a scan, or a description of its fault',
            'This is a fault of the program, please report it with this line',
        ) from error
    return dataclasses.replace(scan, notes=(*scan.notes, *notes))


def _kind(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the ending that a file should have, and a remark if it has another one."""
    if arrays_in(path):
        return 'folder', ()
    if not stat.S_ISREG(path.stat().st_mode):
        raise RawDataError(path, 'no regular file', 'a scan', 'Give the files one by one')
    ending = path.suffix.lower()
    ending = _SAME.get(ending, ending)
    with open(path, 'rb') as file:
        head = file.read(24)
    magic = _MAGIC.get(head[:4])
    if magic == '.npz' and not _has_arrays(path):
        _refuse_archive(path, 'a zip archive without .npy files')
    if head.startswith(b'version https://git-lfs'):
        raise RawDataError(path, 'the pointer of Git LFS', 'the file itself', 'git lfs pull')
    for beginning, what in _ARCHIVES.items():
        if head.startswith(beginning):
            _refuse_archive(path, what)
    if magic is not None and magic != ending:
        return magic, (f'named {path.suffix or "without an ending"}, but a {magic} file; read so',)
    if ending not in ENDINGS:
        raise RawDataError(path, f'ending {path.suffix!r}', ', '.join(ENDINGS), 'Export it as .ply')
    if path.stat().st_size == 0:
        raise RawDataError(path, 'an empty file', 'a scan', 'Export it again')
    return ending, ()


def _has_arrays(path: Path) -> bool:
    """Return whether a zip archive contains arrays; a damaged one does if it is named .npz."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith('.npy') for name in archive.namelist())
    except zipfile.BadZipFile:
        return path.suffix.lower() == '.npz'


def _refuse_archive(path: Path, what: str) -> NoReturn:
    ending = path.suffix.lower()
    is_known = ending in ENDINGS or not ending
    raise RawDataError(
        path,
        what if is_known else f'ending {path.suffix!r} is not read: {what}',
        ', '.join(ENDINGS),
        'Unpack it and give the scans in it, or export them as .ply',
    )


def _read(path: Path, ending: str, names: ColumnNames, mesh_samples: int) -> Scan:
    if mesh_samples and ending in (*MESHES, '.ply'):
        return sample_mesh(path, mesh_samples, ending)
    if ending == '.pcd':
        return read_pcd(path, names)
    if ending == '.las':
        return read_las(path)
    if ending == '.bin':
        return read_bin(path, names)
    if ending == '.obj':
        return read_obj(path)
    if ending in MESHES:
        return read_gltf(path)
    if ending == '.npz':
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(path, sum(member.file_size for member in archive.infolist()))
    found = read_table(path, names, ending=ending)
    return Scan.of_columns(str(path), found)


def _place_of(error: BaseException) -> str:
    """Return file and line of the code that raised an error."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f'{Path(frame.filename).name}:{frame.lineno}'
