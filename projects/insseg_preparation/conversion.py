# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converting a release scene by scene: what the converters of all data sets share.

A scene that fails does not stop the others; what was converted before is kept; a disk that is full
stops everything and leaves whole scenes behind.
"""

import errno
import io
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from insseg3d.scans.errors import RawDataError

from .storage import SceneRecord, write_whole


class SceneOutcome(NamedTuple):
    """What became of a scene: 'converted', 'kept' (done before) or 'failed', and remarks."""

    scene: str
    state: str
    remarks: list[str]


class Report(NamedTuple):
    """What became of a release.

    Attributes:
        outcomes: one per scene, in the order of the splits.
        infos: info files that were written or were up to date.
        incomplete: splits that got no info file, because a scene failed.
    """

    outcomes: list[SceneOutcome]
    infos: list[Path]
    incomplete: list[str]


class Converted(NamedTuple):
    """What is to be written for a scene.

    Attributes:
        outputs: path under the folder of the prepared data → content.
        content: what the scene's record holds for the info files, as JSON.
        notes: what was unusual in the raw files.
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

    Only the raw files are read here before the target is written, so that an ``OSError`` of theirs
    is the scene's, and one of the target is everyone's.

    Args:
        out: folder of the prepared data.
        scene: id.
        find: finds all raw files that the scene is made of.
        convert: reads and converts them.
        settings: what else the outcome depends on, as JSON. If it changes, the scene is converted
            again, as it is when a raw file changes.

    Raises:
        OSError: the target cannot be written, or the disk is full.
    """
    record = SceneRecord(out, scene)
    try:
        sources = find()
        if record.read(sources, settings) is not None:
            return SceneOutcome(scene, 'kept', [])
        converted = convert()
    except (RawDataError, OSError) as error:  # OSError: it may not be read, or went away
        return SceneOutcome(scene, 'failed', [str(error)])
    try:
        record.write(converted.outputs, sources, settings, **converted.content)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno,
                f'{out}: the disk is full at {scene}. Scenes converted so far are whole and stay. '
                'Free some space and run the same command again',
            ) from None
        raise
    return SceneOutcome(scene, 'converted', converted.notes)


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
    """Convert all scenes, then write the info files of the splits in which none failed.

    Args:
        out: folder of the prepared data.
        splits: split → its scenes.
        work: given (split, scene), converts it; picklable.
        write_info: given a split and the records of its scenes, writes its info file.
        workers: processes.
        on_start: called with the number of scenes.
        on_scene: called after every scene.

    Returns:
        The report.

    Raises:
        OSError: the target cannot be written, or the disk is full. What was converted stays.
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
    return Report(outcomes, infos, incomplete)


def _run(work: Callable, jobs: list, workers: int) -> Iterable[SceneOutcome]:
    """Do all jobs, in order, in this process or in several."""
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
    """Write an info file as mmdetection3d 1.4 lays it out, unless it is there already.

    Args:
        path: the file.
        metainfo: ``categories``, ``dataset`` and what else belongs into its header.
        data_list: an entry a scene.
    """
    info = {'metainfo': {**metainfo, 'info_version': '1.1'}, 'data_list': data_list}
    write_if_new(path, pickle.dumps(info, protocol=4))
    return path


def write_array_if_new(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` file unless it is there already."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_if_new(path, buffer.getvalue())


def write_if_new(path: Path, content: bytes) -> None:
    """Write a file unless it is there already with this content."""
    if not (path.is_file() and path.read_bytes() == content):
        write_whole(path, content)
