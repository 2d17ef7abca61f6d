# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Whole datasets of made rooms, written by several processes."""

import dataclasses
import multiprocessing
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ..corridor import CorridorOptions, make_corridor
from ..options import RoomOptions
from ..room import make_room
from .s3dis import RELEASES, write_angles, write_room
from .s3dis_room import ROOM_NAMES, make_s3dis_room
from .scannet import write_scene, write_tables

SPLITS = ('train', 'val', 'test')
# Types of rooms in turn. They are seven, coprime to six, so every area receives all of them.
_S3DIS_TURNS = (
    'Office',
    'Living room / Lounge',
    'Office',
    'Bookstore / Library',
    'Kitchen',
    'Office',
    'Bathroom',
)


class _Job(NamedTuple):
    """A room or floor to make: the index that seeds it, its folder, its type and its faults."""

    index: int
    folder: Path
    program: str = ''
    faults: tuple[str, ...] = ()


def plan_scenes(splits: dict[str, int]) -> dict[str, list[str]]:
    """Name the scenes of each split, such that no room occurs in two splits."""
    names, first = {}, 0
    for split in SPLITS:
        count = splits.get(split, 0)
        names[split] = [f'scene{first + k:04d}_00' for k in range(count)]
        first += count
    return names


def synthesize_scannet(
    out: Path,
    splits: dict[str, int],
    *,
    seed: int,
    options: RoomOptions | CorridorOptions,
    workers: int = 1,
    overwrite: bool = False,
) -> dict[str, list[str]]:
    """Write made rooms, or whole floors, as raw ScanNet v2 folders.

    Args:
        out: Root folder of ``scans``, ``scans_test``, the label table and the lists of scenes.
        splits: Number of rooms for train, val and test; test rooms are written without labels.
        seed: The same seed, splits and options result in the same bytes for any ``workers``.
        options: Options of the rooms or of the floors.
        workers: Number of processes.
        overwrite: Whether to replace existing scenes.

    Returns:
        Names of the scenes of each split.

    Raises:
        FileExistsError: If a scene already exists and ``overwrite`` is False.
        OSError: If the disk is full or ``out`` is not writable; the scenes on disk are complete.
    """
    names = plan_scenes(splits)
    jobs: list[_Job] = []
    for split in SPLITS:
        for name in names[split]:
            folder = out / ('scans_test' if split == 'test' else 'scans') / name
            jobs.append(_Job(index=len(jobs), folder=folder))
    work = partial(_one_scene, seed=seed, options=options)
    _make_all(out, work, jobs, workers, overwrite)
    write_tables(out, names)
    return names


def plan_rooms(count: int, programs: Sequence[str]) -> list[tuple[str, str, str]]:
    """Plan area, name and type of each room: areas in turn, offices most often."""
    wanted = [p for p in _S3DIS_TURNS if p in programs]
    if not wanted:
        raise ValueError(f'programs: found {programs}, expected some of {sorted(ROOM_NAMES)}')
    rooms, so_far = [], Counter()
    for index in range(count):
        area, program = f'Area_{index % 6 + 1}', wanted[index % len(wanted)]
        name = ROOM_NAMES[program]
        so_far[area, name] += 1
        rooms.append((area, f'{name}_{so_far[area, name]}', program))
    return rooms


def synthesize_s3dis(
    out: Path,
    rooms: int,
    *,
    seed: int,
    options: RoomOptions,
    release: str = 'aligned',
    faults: Sequence[str] = (),
    workers: int = 1,
    overwrite: bool = False,
) -> dict[str, list[str]]:
    """Write made rooms as raw S3DIS folders, in six areas.

    Args:
        out: Root folder of ``Area_1`` … ``Area_6``.
        rooms: Number of rooms; they are assigned to the areas in turn.
        seed: The same seed, rooms and options result in the same bytes for any ``workers``.
        options: Options of the rooms.
        release: 'v1.2' or 'aligned'.
        faults: Faults to plant, among ``FAULTS``, each in one room, starting with the first.
        workers: Number of processes.
        overwrite: Whether to replace existing rooms.

    Returns:
        Names of the rooms of each area.

    Raises:
        ValueError: If no type of room remains, or if the release is unknown.
        FileExistsError: If a room already exists and ``overwrite`` is False.
        OSError: If the disk is full or ``out`` is not writable; the rooms on disk are complete.
    """
    if release not in RELEASES:
        raise ValueError(f'release: found {release!r}, expected one of {RELEASES}')
    planned = plan_rooms(rooms, options.programs)
    jobs = []
    for index, (area, name, program) in enumerate(planned):
        own = tuple(fault for k, fault in enumerate(faults) if k % rooms == index)
        jobs.append(_Job(index=index, folder=out / area / name, program=program, faults=own))
    work = partial(_one_room, seed=seed, options=options, release=release)
    made = dict(_make_all(out, work, jobs, workers, overwrite))
    names: dict[str, list[str]] = {}
    for area, name, _ in planned:
        names.setdefault(area, []).append(name)
    for area in names if release == 'v1.2' else ():
        write_angles(out / area, {name: made[out / area / name] for name in names[area]})
    return names


def _make_all(out: Path, work: Callable, jobs: list[_Job], workers: int, overwrite: bool) -> list:
    """Do the jobs with a progress bar."""
    there = [job.folder for job in jobs if job.folder.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f'{there[0]}: exists already, as do {len(there) - 1} more of the '
            f'{len(jobs)} scenes to write; choose another folder or overwrite'
        )
    out.mkdir(parents=True, exist_ok=True)
    return list(
        tqdm(
            _run(work, jobs, workers),
            total=len(jobs),
            desc='rooms',
            unit='room',
            smoothing=0.1,
            file=sys.stderr,
        )
    )


def _one_room(job: _Job, *, seed: int, options: RoomOptions, release: str) -> tuple[Path, int]:
    """Make and write the room of one job; return its folder and its angle."""
    options = dataclasses.replace(options, programs=(job.program,))
    room = make_s3dis_room((seed, job.index), options, aligned=release == 'aligned')
    if job.folder.exists():
        shutil.rmtree(job.folder)
    write_room(room, job.folder, release=release, faults=job.faults)
    return job.folder, room.angle


def _one_scene(job: _Job, *, seed: int, options: RoomOptions | CorridorOptions) -> str:
    """Make and write the room, or the floor, of one job."""
    make = make_corridor if isinstance(options, CorridorOptions) else make_room
    room = make((seed, job.index), options)
    if job.folder.exists():
        shutil.rmtree(job.folder)
    write_scene(room, job.folder, annotated=job.folder.parent.name != 'scans_test')
    return job.folder.name


def _run(work: Callable, jobs: list[_Job], workers: int) -> Iterator:
    """Do the jobs in this process or in several; the first failure ends all of them."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    # Forked processes share imported modules and compiled code; spawned ones start from scratch.
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    with multiprocessing.get_context(method).Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(work, jobs)
