# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Conversion of a release scene by scene, shared by the converters of all datasets.

A scene that fails does not stop the others. Scenes that were converted earlier are kept. A full
disk stops the conversion and leaves complete scenes behind.
"""

import errno
import io
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from insseg_scans.errors import RawDataError

from .storage import SceneRecord, write_whole


class SceneOutcome(NamedTuple):
    """Outcome of a scene.

    Attributes:
        scene: Id of the scene.
        state: 'converted', 'kept' (converted earlier) or 'failed'.
        remarks: Remarks on its raw files; if it failed, the error.
    """

    scene: str
    state: str
    remarks: list[str]


class Report(NamedTuple):
    """Outcome of a release.

    Attributes:
        outcomes: One outcome per scene, in the order of the splits.
        infos: Info files that were written or are up to date.
        incomplete: Splits without an info file, because a scene failed.
    """

    outcomes: list[SceneOutcome]
    infos: list[Path]
    incomplete: list[str]


class Converted(NamedTuple):
    """Files and record of a converted scene.

    Attributes:
        outputs: Content of each file, by its path under the folder of the prepared data.
        content: Entries of the scene's record for the info files, as JSON.
        notes: Remarks on unusual features of the raw files.
    """

    outputs: dict[str, bytes | np.ndarray]
    content: dict[str, Any]
    notes: list[str]


def convert_unless_done(
    out: Path,
    scene: str,
    find: Callable[[], Sequence[Path]],
    convert: Callable[[], Converted],
    *,
    settings: Any = None,
) -> SceneOutcome:
    """Convert one scene unless it is done; errors of its raw files become its outcome.

    All raw files are read before anything is written. An ``OSError`` while reading concerns this
    scene only; one while writing concerns the whole conversion.

    Args:
        out: Folder of the prepared data.
        scene: Id of the scene.
        find: Function that finds all raw files of the scene.
        convert: Function that reads and converts them.
        settings: Other values on which the result depends, as JSON. If they change, or if a raw
            file changes, the scene is converted again.

    Raises:
        OSError: If the target cannot be written, or if the disk is full.
    """
    record = SceneRecord(out, scene)
    try:
        sources = find()
        if record.read(sources, settings) is not None:
            return SceneOutcome(scene=scene, state='kept', remarks=[])
        converted = convert()
    except (RawDataError, OSError) as error:  # OSError: not readable, or removed meanwhile
        return SceneOutcome(scene=scene, state='failed', remarks=[str(error)])
    try:
        record.write(converted.outputs, sources, settings, **converted.content)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno,
                f'{out}: the disk is full at {scene}. Scenes converted so far are complete and '
                'stay. Free some space and run the same command again',
            ) from None
        raise
    return SceneOutcome(scene=scene, state='converted', remarks=converted.notes)


def convert_release(
    out: Path,
    splits: dict[str, list[str]],
    work: Callable[[tuple[str, str]], SceneOutcome],
    write_info: Callable[[str, list[dict]], Path],
    *,
    workers: int,
    on_start: Callable[[int], None] = lambda num_scenes: None,
    on_scene: Callable[[SceneOutcome], None] = lambda outcome: None,
) -> Report:
    """Convert all scenes, then write the info files of the splits without a failed scene.

    Args:
        out: Folder of the prepared data.
        splits: Scenes of each split.
        work: Picklable function that converts (split, scene).
        write_info: Function that writes the info file of a split from the records of its scenes.
        workers: Number of processes.
        on_start: Called with the number of scenes.
        on_scene: Called after every scene.

    Returns:
        Outcomes of all scenes, and the info files.

    Raises:
        OSError: If the target cannot be written, or if the disk is full; converted scenes stay.
    """
    jobs = [(split, scene) for split, scenes in splits.items() for scene in scenes]
    out.mkdir(parents=True, exist_ok=True)
    on_start(len(jobs))
    outcomes = []
    for outcome in _run(work, jobs, workers):
        outcomes.append(outcome)
        on_scene(outcome)
    failed = {outcome.scene for outcome in outcomes if outcome.state == 'failed'}
    infos, incomplete = [], []
    for split, scenes in splits.items():
        if failed.isdisjoint(scenes):
            infos.append(write_info(split, [SceneRecord(out, scene).read() for scene in scenes]))
        else:
            incomplete.append(split)
    return Report(outcomes=outcomes, infos=infos, incomplete=incomplete)


def _run(work: Callable, jobs: list, workers: int) -> Iterable[SceneOutcome]:
    """Do all jobs in order, in this process or in several."""
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(work, jobs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_info_file(path: Path, metainfo: dict, data_list: list[dict]) -> Path:
    """Write an info file in the layout of mmdetection3d 1.4, unless it is up to date.

    Args:
        path: Path of the file.
        metainfo: Header of the file: ``categories``, ``dataset`` and further entries.
        data_list: One entry per scene.
    """
    info = {'metainfo': {**metainfo, 'info_version': '1.1'}, 'data_list': data_list}
    write_if_new(path, pickle.dumps(info, protocol=4))
    return path


def write_array_if_new(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` file, unless it is up to date."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_if_new(path, buffer.getvalue())


def write_if_new(path: Path, content: bytes) -> None:
    """Write a file, unless it already has this content."""
    if not (path.is_file() and path.read_bytes() == content):
        write_whole(path, content)
