# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Any file with points in it, found and read; what is wrong with it, in one line."""
import glob
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..datasets.preparation.custom_columns import ColumnNames
from ..datasets.preparation.custom_files import ENDINGS as TABLE_ENDINGS
from ..datasets.preparation.custom_files import read_scan as read_table
from ..datasets.preparation.errors import RawDataError
from .formats import (
    read_bin,
    read_gltf,
    read_las,
    read_obj,
    read_pcd,
    refuse_bomb,
    sample_mesh,
)
from .scan import Scan

MESHES = ('.obj', '.glb', '.gltf')
ENDINGS = (*TABLE_ENDINGS, '.pcd', '.las', '.laz', '.bin', *MESHES)
_MAGIC = {
    b'ply\n': '.ply', b'ply\r': '.ply', b'LASF': '.las', b'\x93NUM': '.npy', b'PK\x03\x04': '.npz',
    b'glTF': '.glb', b'# .P': '.pcd',
}  # fmt: skip
_SAME = {'.laz': '.las'}


def find_scans(source: Any) -> list:
    """List the scans that a path, a folder, a pattern, an object, or a list of such stands for.

    Args:
        source: a path; a folder, of which all files with an ending of ``ENDINGS`` are taken, by
            name, folders in it left alone; a pattern with ``*``, ``?`` or ``[``; anything that
            ``scan_of`` reads; a list or tuple of these.

    Returns:
        Paths and objects.

    Raises:
        RawDataError: a folder or a pattern without scans.
    """
    if isinstance(source, (list, tuple)):
        return [scan for part in source for scan in find_scans(part)]
    if not isinstance(source, (str, Path)):
        return [source]
    path = Path(source)
    try:
        if path.is_dir():
            found: Iterable[Path] = sorted(path.iterdir())
        elif path.exists() or not glob.has_magic(str(source)):
            return [path]
        else:
            found = map(Path, sorted(glob.glob(str(source), recursive=True)))
        scans = [p for p in found if p.suffix.lower() in ENDINGS and not p.is_dir()]
    except OSError as error:
        raise RawDataError(
            path, error.strerror or str(error), 'a scan', 'Correct the path') from None
    if not scans:
        raise RawDataError(
            path, 'no scan', f'files that end with {" ".join(ENDINGS)}', 'Correct the path')
    return scans


def read_scan(path: Path, *, columns: tuple[str, ...] | None = None, mesh_samples: int = 0) -> Scan:
    """Read a scan of any format. Labels in it are passed over.

    Args:
        path: the file. Its content decides where it contradicts the ending.
        columns: what the columns of a table without names are, '-' for one to pass over.
        mesh_samples: of a mesh, take so many points of its surfaces; 0: its vertices.

    Raises:
        RawDataError: whatever is wrong with it, and nothing else.
    """
    path = Path(path)
    try:
        ending, notes = _kind(path)
        scan = _read(path, ending, ColumnNames(columns=columns, labels=False), mesh_samples)
    except RawDataError:
        raise
    except OSError as error:
        raise RawDataError(
            path, error.strerror or _first_line(error), 'a file that can be read',
            'Correct the path, or its rights') from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # other people's readers; a panic of Rust's is no Exception
        raise RawDataError(
            path, f'cannot be read as {ending} ({_first_line(error)})', 'a whole file',
            'Export it again') from None
    return Scan(scan.name, scan.coords, scan.colors, scan.units, scan.up, (*scan.notes, *notes))


def _kind(path: Path) -> tuple[str, tuple[str, ...]]:
    """The ending that a file should have, and a remark if it has another one."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise RawDataError(path, 'no ordinary file', 'a scan', 'Give the files one by one')
    ending = path.suffix.lower()
    ending = _SAME.get(ending, ending)
    with open(path, 'rb') as file:
        magic = _MAGIC.get(file.read(4))
    if magic is not None and magic != ending:
        return magic, (f'named {path.suffix or "without an ending"}, but a {magic} file; read so',)
    if ending not in ENDINGS:
        raise RawDataError(
            path, f'ending {path.suffix!r}', ', '.join(ENDINGS), 'Export it as .ply')
    if path.stat().st_size == 0:
        raise RawDataError(path, 'an empty file', 'a scan', 'Export it again')
    return ending, ()


def _read(path: Path, ending: str, names: ColumnNames, mesh_samples: int) -> Scan:
    if mesh_samples and ending in (*MESHES, '.ply'):
        return sample_mesh(path, mesh_samples)
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
    return Scan(str(path), found.coords, found.colors)


def _first_line(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text[:160]
