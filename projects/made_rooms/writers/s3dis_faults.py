# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The known faults of S3DIS, for made rooms.

In a few bytes of the release, bit 0x20 is missing, which turns digits and spaces into control
characters. One file has a wrong name, another exists twice, and some rooms have a class "stairs".
"""

from collections.abc import Callable
from pathlib import Path


def _clear_bit(path: Path, wanted: bytes) -> None:
    """Clear bit 0x20 of the first wanted byte in the second half of a file."""
    content = bytearray(path.read_bytes())
    found = next(k for k in range(len(content) // 2, len(content)) if content[k] in wanted)
    content[found] &= ~0x20
    path.write_bytes(content)


def _space_is_control(folder: Path, name: str) -> None:
    _clear_bit(folder / 'Annotations' / 'ceiling_1.txt', b' ')


def _digit_is_control(folder: Path, name: str) -> None:
    _clear_bit(folder / 'Annotations' / 'floor_1.txt', b'0123456789')


def _control_in_room_file(folder: Path, name: str) -> None:
    _clear_bit(folder / f'{name}.txt', b'0123456789')


def _room_file_misnamed(folder: Path, name: str) -> None:
    (folder / f'{name}.txt').rename(folder / f'{name[:2]}_{name[2:]}.txt')


def _stray_copy(folder: Path, name: str) -> None:
    content = (folder / 'Annotations' / 'wall_1.txt').read_bytes()
    (folder / 'Annotations' / 'wall_3 (1).txt').write_bytes(content[: content.index(b'\n') + 1])


def _stairs(folder: Path, name: str) -> None:
    """Rename a piece of clutter, if the room has any."""
    path = folder / 'Annotations' / 'clutter_1.txt'
    if path.is_file():
        path.rename(path.with_name('stairs_1.txt'))


def _crlf(folder: Path, name: str) -> None:
    path = folder / 'Annotations' / 'floor_1.txt'
    path.write_bytes(path.read_bytes().replace(b'\n', b'\r\n'))


FAULTS: dict[str, Callable[[Path, str], None]] = {
    'space is control': _space_is_control,
    'digit is control': _digit_is_control,
    'stray copy': _stray_copy,
    'stairs': _stairs,
    'control in room file': _control_in_room_file,
    'room file misnamed': _room_file_misnamed,
    'crlf': _crlf,
}


def plant_fault(fault: str, folder: Path, name: str) -> None:
    """Plant a fault in the files of a room.

    Args:
        fault: One of ``FAULTS``.
        folder: Folder of the room.
        name: Name of the room.
    """
    FAULTS[fault](folder, name)
