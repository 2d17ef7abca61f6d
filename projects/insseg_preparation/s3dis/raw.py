# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw files of S3DIS: their locations, and readers that check them."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.datasets.s3dis import AREAS
from insseg_scans.errors import DOWNLOAD_AGAIN, RawDataError
from insseg_scans.folders import refuse_dead_links, why_out_of_reach
from insseg_scans.points.text_table import line_of_row, parse_table, repair_control_bytes

ROOMS = {1: 44, 2: 40, 3: 23, 4: 49, 5: 68, 6: 48}
"""Number of rooms per area in a complete release, 272. (The paper of the dataset counts 271.)"""

RELEASES = {'v1.2': 'Stanford3dDataset_v1.2', 'aligned': 'Stanford3dDataset_v1.2_Aligned_Version'}
"""Names of the folders of the two releases, whose rooms differ by a rotation about z."""

_ROOM = re.compile(r'[A-Za-z]+_[0-9]+')
_ANNOTATION = re.compile(r'([A-Za-z]+)_[0-9]+\.txt')
_FARTHEST = 1e6  # metres; greater values are no positions in a building


class RawRelease(NamedTuple):
    """A raw release, or a part of one.

    Attributes:
        folder: Folder of the areas.
        kind: 'v1.2' or 'aligned'.
        rooms: Sorted rooms of each existing area, by its number; empty if it cannot be reached.
        remarks: Remarks on missing rooms, ignored files, and the evidence for the kind.
    """

    folder: Path
    kind: str
    rooms: dict[int, list[str]]
    remarks: list[str]


class Annotation(NamedTuple):
    """The points of one annotated object.

    Attributes:
        coords: ``(P, 3)`` float64, metres, as in the file.
        colors: ``(P, 3)`` float32, 0..255.
        notes: Remarks on repaired bytes and unusual line ends.
    """

    coords: np.ndarray
    colors: np.ndarray
    notes: list[str]


def find_release(raw: Path, *, kind: str | None = None) -> RawRelease:
    """Find the areas and rooms of a release.

    Args:
        raw: Folder with ``Area_1`` …, or its parent.
        kind: 'v1.2' or 'aligned'; None infers it, see :func:`find_kind`.

    Raises:
        ValueError: If the kind is unknown, or if both releases are found.
        FileNotFoundError: If no area is found.
    """
    if kind not in (None, *RELEASES):
        raise ValueError(f'release={kind!r}; expected one of {[*RELEASES]}')
    folders = [raw, *(raw / name for name in RELEASES.values())]
    found = [folder for folder in folders if any(folder.glob('Area_[1-6]'))]
    if not found:
        raise FileNotFoundError(
            f'{raw}: no folder Area_1 … Area_6, nor in {" or ".join(RELEASES.values())} there. '
            'Unpack the release, and give the folder of its areas'
        )
    if len(found) > 1:
        names = [str(folder) for folder in found]
        raise ValueError(f'{raw}: areas in {names}. Give one of these folders')
    (folder,) = found
    remarks: list[str] = []
    if kind is None:
        kind, evidence = find_kind(folder)
        remarks.append(f'release {kind}, {evidence}')
    areas = [area for area in AREAS if _may_be_folder(folder / f'Area_{area}')]
    rooms = {area: _rooms_of_area(folder / f'Area_{area}', remarks) for area in areas}
    absent = [f'Area_{area}' for area in AREAS if area not in rooms]
    if absent:
        remarks.append(f'not there: {", ".join(absent)}')
    counts = {area: len(names) for area, names in rooms.items()}
    if counts != ROOMS:
        parts = [f'{count} of {ROOMS[area]} in Area_{area}' for area, count in counts.items()]
        remarks.append(
            f'{sum(counts.values())} of the {sum(ROOMS.values())} rooms of a whole release: '
            f'{", ".join(parts)}'
        )
    return RawRelease(folder=folder, kind=kind, rooms=rooms, remarks=remarks)


def find_kind(folder: Path) -> tuple[str, str]:
    """Find out which of the two releases this is.

    The name of the folder decides if it is that of the download. Otherwise the files
    ``Area_1_alignmentAngle.txt`` … decide, which list each room's angle to the axes of the building
    and are part of v1.2 only.

    Returns:
        Key of ``RELEASES``, and the evidence in words.
    """
    for kind in ('aligned', 'v1.2'):  # the longer name first
        if folder.resolve().name.startswith(RELEASES[kind]):
            return kind, 'by the name of the folder'
    if any(folder.glob('Area_[1-6]/Area_[1-6]_alignmentAngle.txt')):
        return 'v1.2', 'as it has files *_alignmentAngle.txt'
    return 'aligned', 'as it has no files *_alignmentAngle.txt'


def _rooms_of_area(folder: Path, remarks: list[str]) -> list[str]:
    rooms, strays = [], []
    for path in sorted(folder.iterdir()) if why_out_of_reach(folder) is None else ():
        if _may_be_folder(path) and _ROOM.fullmatch(path.name):
            rooms.append(path.name)
        elif not path.name.startswith('.') and path.name != f'{folder.name}_alignmentAngle.txt':
            strays.append(path.name)
    if strays:
        remarks.append(f'{folder.name}: ignored {", ".join(strays)}')
    return rooms


def _may_be_folder(path: Path) -> bool:
    """Return whether it is a folder, or a link that cannot be followed, which fails as a room."""
    return path.is_dir() if why_out_of_reach(path) is None else path.is_symlink()


def find_annotations(room: Path, notes: list[str]) -> list[Path]:
    """Find the files of a room's objects.

    Args:
        room: Folder of the room.
        notes: A remark on ignored files is appended to this list.

    Returns:
        ``<class>_<number>.txt`` sorted by name, character by character: chair_1, chair_10, chair_2.

    Raises:
        RawDataError: If there are none.
    """
    folder = room / 'Annotations'
    if not folder.is_dir():
        refuse_dead_links(folder)
        raise RawDataError(
            folder,
            'no such folder',
            'the annotated objects of the room',
            'Unpack the release again, or remove the room',
        )
    known = {'Annotations', f'{room.name}.txt'}  # the latter is not needed
    strays = [path.name for path in room.iterdir() if path.name not in known]
    files = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if _ANNOTATION.fullmatch(path.name):
            files.append(path)
        else:
            strays.append(f'Annotations/{path.name}')
    strays = [name for name in sorted(strays) if not name.split('/')[-1].startswith('.')]
    if strays:
        notes.append(f'ignored {", ".join(repr(name) for name in strays)}')
    if not files:
        raise RawDataError(
            folder, 'no annotation', 'files such as chair_1.txt', 'Unpack the release again'
        )
    return files


def class_name(path: Path) -> str:
    """Return the class in the name of an annotation's file."""
    return _ANNOTATION.fullmatch(path.name)[1]


def read_annotation(path: Path) -> Annotation:
    """Read the points of one object.

    Args:
        path: Path of the file, with lines ``x y z r g b``.

    Raises:
        RawDataError: If there are no points, if a line has another number of columns or values that
            are no finite numbers, if coordinates are implausible, or if colours are no whole
            numbers in 0..255.
    """
    text = np.fromfile(path, np.uint8)
    notes = [str(repair) for repair in repair_control_bytes(text, path)]
    if np.any(text == ord('\r')):
        notes.append('lines end with CR LF')
    table = parse_table(text, path, columns=6)
    if not len(table):
        raise RawDataError(path, 'no points', 'lines x y z r g b', DOWNLOAD_AGAIN)
    colors = table[:, 3:].astype(np.float32)
    is_good = (colors == table[:, 3:]) & (colors >= 0) & (colors <= 255) & (colors % 1 == 0)
    if not is_good.all():
        row = int(np.argmin(is_good.all(axis=1)))
        raise RawDataError(
            path,
            f'line {line_of_row(text, row)} has the colour {table[row, 3:].tolist()}',
            'whole numbers from 0 to 255',
            DOWNLOAD_AGAIN,
        )
    is_near = np.abs(table[:, :3]) < _FARTHEST
    if not is_near.all():
        row = int(np.argmin(is_near.all(axis=1)))
        raise RawDataError(
            path,
            f'line {line_of_row(text, row)} has the coordinates {table[row, :3].tolist()}',
            f'metres below {_FARTHEST:g}',
            DOWNLOAD_AGAIN,
        )
    return Annotation(coords=table[:, :3].copy(), colors=colors, notes=notes)
