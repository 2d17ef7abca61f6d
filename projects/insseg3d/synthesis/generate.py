# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Whole data sets of made rooms, by several processes."""
import multiprocessing
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from .room import RoomOptions, make_room
from .scannet_writer import write_scene, write_tables

SPLITS = ('train', 'val', 'test')


def plan_scenes(splits: dict[str, int]) -> dict[str, list[str]]:
    """Names of the scenes of each split: no room is in two of them."""
    names, first = {}, 0
    for split in SPLITS:
        count = splits.get(split, 0)
        names[split] = [f'scene{first + k:04d}_00' for k in range(count)]
        first += count
    return names


def synthesize_scannet(out: Path, splits: dict[str, int], *, seed: int, options: RoomOptions,
                       workers: int = 1, overwrite: bool = False) -> dict[str, list[str]]:
    """Write made rooms as raw ScanNet v2 folders.

    Args:
        out: Root folder; receives ``scans``, ``scans_test``, the label table and the lists.
        splits: Number of rooms for train, val and test; test rooms carry no labels.
        seed: The same seed, splits and options give the same bytes, whatever ``workers`` is.
        options: What rooms are like.
        workers: Processes.
        overwrite: Whether to replace scenes that exist already.

    Returns:
        Names of the scenes of each split.

    Raises:
        FileExistsError: If a scene exists already and ``overwrite`` is False.
        OSError: If the disk is full or ``out`` cannot be written; scenes that exist are whole.
    """
    names = plan_scenes(splits)
    jobs = []
    for split in SPLITS:
        for name in names[split]:
            jobs.append((len(jobs), out / ('scans_test' if split == 'test' else 'scans') / name))
    there = [folder for _, folder in jobs if folder.exists()]
    if there and not overwrite:
        raise FileExistsError(f'{there[0]}: exists already, as do {len(there) - 1} more of the '
                              f'{len(jobs)} scenes to write; choose another folder or overwrite')
    out.mkdir(parents=True, exist_ok=True)
    work = partial(_one_scene, seed=seed, options=options)
    for _ in tqdm(_run(work, jobs, workers), total=len(jobs), desc='rooms', unit='room',
                  smoothing=0.1, file=sys.stderr):
        pass
    write_tables(out, names)
    return names


def _one_scene(job: tuple[int, Path], *, seed: int, options: RoomOptions) -> str:
    """Make and write the room of one index."""
    index, folder = job
    room = make_room((seed, index), options)
    if folder.exists():
        shutil.rmtree(folder)
    write_scene(room, folder, annotated=folder.parent.name != 'scans_test')
    return folder.name


def _run(work, jobs: list, workers: int) -> Iterator[str]:
    """Do the jobs, in this process or in several; a failure in one ends all."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    # Forked processes share what is imported and compiled; elsewhere they start afresh.
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    with multiprocessing.get_context(method).Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(work, jobs)
