# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of a raw S3DIS release into mmdetection3d's prepared format.

It writes ``points``, ``instance_mask``, ``semantic_mask`` (one file per room each), ``seg_info``,
``s3dis_infos_Area_{1..6}.pkl`` and ``s3dis_repairs.txt``, which lists unusual features of the raw
files and their treatment. It can be stopped and restarted at any time. It never changes the raw
folder.
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
    """Convert a release; rooms that are already converted are kept.

    Args:
        raw: Folder with ``Area_1`` … ``Area_6``, or with the folder of the release.
        out: Folder of the prepared data.
        areas: Numbers of areas; None takes all that exist.
        kind: 'v1.2' or 'aligned'; None infers it. The info files contain it as
            ``metainfo['release']``.
        workers: Number of processes; each needs 1.5 GB for a room of nine million points.
        on_start: Called with the number of rooms.
        on_scene: Called after every room.
        on_remark: Called before the conversion with remarks on the release as a whole.

    Returns:
        The report. Rooms that fail do not stop the others.

    Raises:
        FileNotFoundError: If no area is found.
        ValueError: If an area is missing, or if the kind is unknown.
        OSError: If the target cannot be written, or if the disk is full; converted rooms stay.
    """
    release = find_release(raw, kind=kind)
    wanted = sorted(set(release.rooms if areas is None else areas))
    if not wanted or set(wanted) - set(release.rooms):
        there = sorted(release.rooms)
        raise ValueError(f'{release.folder}: areas {areas} requested; those there are {there}')
    for remark in release.remarks:
        on_remark(remark)
    report = convert_release(
        out,
        # An area without rooms, perhaps a dead link, fails as if it were a room.
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
        return Converted(outputs=outputs, content=content, notes=converted.notes)

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
    """Make a room's entry in the info file, with the types of the stock converter."""
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
    """Write the remarks on the release and on all converted rooms."""
    lines = ['What was unusual in the raw files, and how they were read. They were not changed.']
    lines += ['', *release.remarks, '']
    for area in release.rooms:
        for room in _room_ids(release, area):
            record = SceneRecord(out, room).read() or {}
            lines += [f'{room}: {note}' for note in record.get('notes', [])]
    write_if_new(out / REPAIRS_FILE, ('\n'.join(lines) + '\n').encode())
