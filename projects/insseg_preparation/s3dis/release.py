# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""All rooms of a raw S3DIS release into mmdetection3d's prepared format.

Writes ``points``, ``instance_mask``, ``semantic_mask`` (one file a room), ``seg_info``,
``s3dis_infos_Area_{1..6}.pkl`` and ``s3dis_repairs.txt``, what was unusual in the raw files and
what was made of it. Can be stopped and started again at any time. The raw folder is only read.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from insseg3d.datasets.s3dis import INFO_FILE

from ..conversion import (
    Converted,
    Report,
    SceneOutcome,
    convert_release,
    convert_unless_done,
    write_if_new,
    write_info_file,
)
from ..seg_info import write_seg_info
from ..storage import SceneRecord
from .raw import RawRelease, find_annotations, find_release
from .room import BOX_CLASSES, CLASSES, convert_room

REPAIRS_FILE = 's3dis_repairs.txt'


def prepare_s3dis(
    raw: Path,
    out: Path,
    *,
    areas: Sequence[int] | None = None,
    kind: str | None = None,
    workers: int = 1,
    on_start: Callable[[int], None] = lambda num_rooms: None,
    on_scene: Callable[[SceneOutcome], None] = lambda outcome: None,
    on_remark: Callable[[str], None] = lambda remark: None,
) -> Report:
    """Convert a release, or what of it is not converted yet.

    Args:
        raw: folder with ``Area_1`` … ``Area_6``, or with the folder of the release.
        out: folder of the prepared data.
        areas: numbers of areas; None: those that are there.
        kind: which release it is, 'v1.2' or 'aligned'; None: found out. The info files carry it
            in ``metainfo['release']``.
        workers: processes; a room of nine million points takes each of them 1.5 GB.
        on_start: called with the number of rooms.
        on_scene: called after every room.
        on_remark: called before with what is unusual about the release as a whole.

    Returns:
        The report. Rooms that failed do not stop the others.

    Raises:
        FileNotFoundError: there is no area.
        ValueError: an area that is not there, or an unknown kind.
        OSError: the target cannot be written, or the disk is full. What was converted stays.
    """
    release = find_release(raw, kind=kind)
    wanted = sorted(set(release.rooms if areas is None else areas))
    if not wanted or set(wanted) - set(release.rooms):
        there = sorted(release.rooms)
        raise ValueError(f'{release.folder}: areas {areas} asked for; those there are {there}')
    for remark in release.remarks:
        on_remark(remark)
    report = convert_release(
        out,
        # An area without rooms, perhaps a dead link, fails as if it were a room of its own.
        {f'Area_{area}': _room_ids(release, area) or [f'Area_{area}'] for area in wanted},
        partial(_prepare_room, release.folder, out),
        partial(_write_info, out, release.kind),
        workers=workers,
        on_start=on_start,
        on_scene=on_scene,
    )
    _write_repairs(out, release)
    return report


def _room_ids(release: RawRelease, area: int) -> list[str]:
    return [f'Area_{area}_{name}' for name in release.rooms[area]]


def _prepare_room(folder: Path, out: Path, job: tuple[str, str]) -> SceneOutcome:
    """Convert one room unless it is done."""
    area, room = job
    room_folder = folder / area / room.removeprefix(f'{area}_')

    def convert() -> Converted:
        converted = convert_room(room_folder)
        outputs = {
            f'points/{room}.bin': converted.points,
            f'instance_mask/{room}.bin': converted.instance,
            f'semantic_mask/{room}.bin': converted.semantic,
        }
        counts = np.bincount(converted.semantic, minlength=len(CLASSES)).tolist()
        content = {
            'room': room,
            'boxes': converted.boxes,
            'semantic_counts': counts,
            'notes': converted.notes,
        }
        return Converted(outputs, content, converted.notes)

    return convert_unless_done(out, room, lambda: find_annotations(room_folder, []), convert)


def _write_info(out: Path, kind: str, area: str, records: list[dict]) -> Path:
    """Write an area's info file and the arrays of ``seg_info``."""
    counts = np.array([record['semantic_counts'] for record in records])
    write_seg_info(out, area, counts.sum(axis=1), counts, points_per_sample=4096)
    categories = {name: label for label, name in enumerate(BOX_CLASSES)}
    return write_info_file(
        out / INFO_FILE.format(area=area.removeprefix('Area_')),
        {'categories': categories, 'dataset': 's3dis', 'release': kind},
        [_info(number, record) for number, record in enumerate(records)],
    )


def _info(number: int, record: dict) -> dict:
    """A room's entry in the info file, of the same types throughout as the stock one."""
    file_name = f'{record["room"]}.bin'
    return {
        'sample_idx': number,
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': file_name},
        'instances': [
            {'bbox_3d': box['bbox_3d'], 'bbox_label_3d': np.int64(box['bbox_label_3d'])}
            for box in record['boxes']
        ],
        'pts_semantic_mask_path': file_name,
        'pts_instance_mask_path': file_name,
    }


def _write_repairs(out: Path, release: RawRelease) -> None:
    """Write down what was unusual in all areas, as far as they are converted."""
    lines = ['What was unusual in the raw files, and how they were read. They were not changed.']
    lines += ['', *release.remarks, '']
    for area in release.rooms:
        for room in _room_ids(release, area):
            record = SceneRecord(out, room).read() or {}
            lines += [f'{room}: {note}' for note in record.get('notes', [])]
    write_if_new(out / REPAIRS_FILE, ('\n'.join(lines) + '\n').encode())
