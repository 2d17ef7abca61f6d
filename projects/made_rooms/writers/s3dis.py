# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw files in the layout of S3DIS."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .s3dis_faults import plant_fault
from .s3dis_room import S3DISRoom

RELEASES = ('v1.2', 'aligned')
# The releases write colours in different formats.
_LINES = {
    'v1.2': '%.3f %.3f %.3f %d.000000 %d.000000 %d.000000\n',
    'aligned': '%.3f %.3f %.3f %d %d %d\n',
}
_AT_ONCE = 100_000  # lines


def object_names(classes: Sequence[str]) -> list[str]:
    """Name the files of objects: their class and a number within the class, from 1."""
    so_far: Counter[str] = Counter()
    names = []
    for name in classes:
        so_far[name] += 1
        names.append(f'{name}_{so_far[name]}')
    return names


def write_room(room: S3DISRoom, folder: Path, *, release: str, faults: Sequence[str] = ()) -> None:
    """Write the folder of one room, completely or not at all.

    Args:
        room: The room.
        folder: ``…/Area_1/office_1``, which must not exist; its name is the name of the room.
        release: 'v1.2' or 'aligned'.
        faults: Faults to plant, among ``FAULTS``.

    Raises:
        OSError: If the disk is full or the folder is not writable; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f'.{folder.name}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / 'Annotations').mkdir(parents=True)
        everything = np.arange(len(room.coords))
        _write_points(partial / f'{folder.name}.txt', room, everything, release)
        for number, name in enumerate(object_names(room.classes)):
            _write_points(
                partial / 'Annotations' / f'{name}.txt',
                room,
                np.flatnonzero(room.owner == number),
                release,
            )
        for fault in faults:
            plant_fault(fault, partial, folder.name)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_angles(folder: Path, angles: dict[str, int]) -> None:
    """Write the rotations of an area's rooms, in the file that is part of v1.2.

    Args:
        folder: The area's folder, ``…/Area_1``.
        angles: Rotation of each room in degrees, by the room's name.
    """
    lines = [
        f'## Global alignment angle per disjoint space in {folder.name} ##',
        '## Disjoint Space Name Global Alignment Angle ##',
    ]
    lines += [f'{room} {angle}' for room, angle in sorted(angles.items())]
    path = folder / f'{folder.name}_alignmentAngle.txt'
    path.write_text('\n'.join(lines) + '\n', encoding='ascii', newline='\n')


def _write_points(path: Path, room: S3DISRoom, index: np.ndarray, release: str) -> None:
    """Write some of a room's points, one per line."""
    line = _LINES[release]
    with open(path, 'w', encoding='ascii', newline='\n') as file:
        for start in range(0, len(index), _AT_ONCE):
            part = index[start : start + _AT_ONCE]
            rows = zip(
                *(room.coords[part] / 1000.0).T.tolist(), *room.colors[part].T.tolist(), strict=True
            )
            file.write(''.join([line % row for row in rows]))
