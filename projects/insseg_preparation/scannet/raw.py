# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reading the raw files of ScanNet v2: where they lie, what they hold, what can be wrong."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from insseg3d.ops.color_range import GREY, find_color_range, is_one_color, to_bytes
from insseg3d.scans.errors import DOWNLOAD_AGAIN, RawDataError
from insseg3d.scans.folders import refuse_dead_links
from insseg3d.scans.points.ply import read_header, read_ply_vertices

LABEL_MAP = 'scannetv2-labels.combined.tsv'
_SEGMENTS = '_vh_clean_2.0.010000.segs.json'
_SIDE_FOLDERS = ('.', 'meta_data', 'splits', 'tasks', 'Tasks/Benchmark')
_FARTHEST = 1e6  # metres; what is farther away is no place in a building


class SceneFiles(NamedTuple):
    """Raw files of one scene; without labels all but the mesh may be None."""

    scene: str
    mesh: Path
    segments: Path | None = None
    aggregation: Path | None = None
    labels: Path | None = None
    metadata: Path | None = None


class SegGroup(NamedTuple):
    """One annotated object: its number from 0, its raw label, its over-segments."""

    object_id: int
    label: str
    segments: list[int]


def find_side_file(raw: Path, name: str, remedy: str) -> Path:
    """Find a file that belongs to the release as a whole.

    Args:
        raw: folder of the release.
        name: file name.
        remedy: how to get it, for the message.

    Raises:
        FileNotFoundError: it is nowhere.
        RawDataError: a link of this name leads to nothing.
    """
    for folder in _SIDE_FOLDERS:
        if (raw / folder / name).is_file():
            return raw / folder / name
    refuse_dead_links(*(raw / folder / name for folder in _SIDE_FOLDERS))
    places = ', '.join(str(Path(folder)) for folder in _SIDE_FOLDERS)
    raise FileNotFoundError(f'{raw / name}: not found, nor in the folders {places} there. {remedy}')


def find_scene(
    raw: Path, scene: str, *, with_labels: bool, superpoints: bool = False
) -> SceneFiles:
    """Find a scene's files in ``scans/<scene>`` or ``scans_test/<scene>``.

    Args:
        raw: folder of the release.
        scene: id such as ``scene0000_00``.
        with_labels: whether the files of the annotation are needed.
        superpoints: without labels, whether to take the over-segments, if they lie there; the
            release has none of the test scenes.

    Raises:
        RawDataError: a file is missing.
    """
    folders = [raw / top / scene for top in ('scans', 'scans_test')]
    if not with_labels:
        folders.reverse()
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        refuse_dead_links(*folders)
        raise RawDataError(
            folders[0],
            'no such folder',
            'the raw files of the scene',
            'Download the scene, or take it out of the split list',
        )

    def existing(*endings: str) -> Path:
        for ending in endings:
            if (folder / f'{scene}{ending}').is_file():
                return folder / f'{scene}{ending}'
        refuse_dead_links(*(folder / f'{scene}{ending}' for ending in endings))
        raise RawDataError(
            folder / f'{scene}{endings[0]}',
            'no such file',
            'it beside the scene’s others',
            'Download it',
        )

    mesh = existing('_vh_clean_2.ply')
    if not with_labels:
        segments = folder / f'{scene}{_SEGMENTS}'
        if superpoints:
            refuse_dead_links(segments)
        return SceneFiles(scene, mesh, segments if superpoints and segments.is_file() else None)
    labels = folder / f'{scene}_vh_clean_2.labels.ply'
    refuse_dead_links(labels)
    return SceneFiles(
        scene,
        mesh,
        segments=existing(_SEGMENTS),
        aggregation=existing('.aggregation.json', '_vh_clean.aggregation.json'),
        labels=labels if labels.is_file() else None,  # only checked against the mesh
        metadata=existing('.txt'),
    )


def read_points(path: Path, notes: list[str]) -> np.ndarray:
    """Read a mesh's vertices as points.

    Args:
        path: ``<scene>_vh_clean_2.ply``.
        notes: takes up what was found unusual, but could be read.

    Returns:
        ``(P, 6)`` float32: x, y, z in metres, r, g, b in 0..255; in the file's order.

    Raises:
        RawDataError: unreadable, empty, no colours, colours outside 0..255, coordinates that
            are not finite.
    """
    vertices = read_ply_vertices(path)
    wanted = ('x', 'y', 'z', 'red', 'green', 'blue')
    missing = [name for name in wanted if name not in vertices]
    if missing:
        raise RawDataError(
            path,
            f'vertices without {missing}',
            'coordinates and colours',
            'Take the coloured mesh of the release, *_vh_clean_2.ply',
        )
    if len(vertices['x']) == 0:
        raise RawDataError(path, 'no vertices', 'at least one', DOWNLOAD_AGAIN)
    points = np.stack([vertices[name] for name in wanted], axis=1).astype(np.float32)
    is_finite = np.isfinite(points[:, :3]).all(axis=1)
    if not is_finite.all():
        raise RawDataError(
            path,
            f'{np.count_nonzero(~is_finite)} vertices with NaN or infinite coordinates, the first '
            f'is number {np.argmin(is_finite)}',
            'finite metres',
            DOWNLOAD_AGAIN,
        )
    points[:, 3:] = _colors(np.stack([vertices[name] for name in wanted[3:]], axis=1), path, notes)
    return points


def _colors(stored: np.ndarray, path: Path, notes: list[str]) -> np.ndarray | float:
    """Colours in 0..255; grey if there is only one."""
    found = find_color_range(stored)
    if found is None or found.most > 255:
        raise RawDataError(
            path, f'colours from {stored.min():g} to {stored.max():g}', '0..255', DOWNLOAD_AGAIN
        )
    if is_one_color(stored):
        notes.append(f'all points have the colour {stored[0].tolist()}; stored as grey')
        return GREY
    if not found.sure:
        notes.append(f'not clear, look at the colours: {found}')
    if found.most == 255:
        return np.minimum(stored, 255)
    notes.append('colours were fractions of 1 and were multiplied by 255')
    return to_bytes(stored, found.most)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise RawDataError(
            path, f'no complete JSON ({error}), perhaps cut off', 'a whole file', DOWNLOAD_AGAIN
        ) from None


def read_segments(path: Path, num_points: int) -> np.ndarray:
    """Read the over-segment of every vertex.

    Args:
        path: ``<scene>_vh_clean_2.0.010000.segs.json``.
        num_points: vertices of the mesh.

    Returns:
        ``(P,)`` int64 ids, which need not be consecutive.

    Raises:
        RawDataError: unreadable, or not one id per vertex.
    """
    content = _read_json(path)
    try:
        segments = np.asarray(content['segIndices'])
    except (KeyError, TypeError, ValueError):
        segments = np.zeros(0)
    if segments.ndim != 1 or (len(segments) and segments.dtype.kind not in 'iu'):
        segments = np.zeros(0)
    if len(segments) != num_points:
        raise RawDataError(
            path,
            f'{len(segments)} segment ids in "segIndices"',
            f'{num_points}, one for each vertex of the mesh',
            'The files are of different releases or scenes: download both again',
        )
    return segments.astype(np.int64)


def read_groups(path: Path) -> list[SegGroup]:
    """Read the annotated objects of a scene, in file order.

    Args:
        path: ``<scene>.aggregation.json``.

    Raises:
        RawDataError: unreadable, or a group without number, label or segments.
    """
    content = _read_json(path)
    try:
        groups = [
            SegGroup(int(g['objectId']), str(g['label']), [int(s) for s in g['segments']])
            for g in content['segGroups']
        ]
        for group in groups:
            numbers = [group.object_id, *group.segments]
            if min(numbers) < 0 or max(numbers) >= 2**31:
                raise ValueError(f'number {min(numbers)} or {max(numbers)}')
        return groups
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RawDataError(
            path,
            f'"segGroups" without or with a strange {error}',
            'a list of groups with objectId, label and segments',
            DOWNLOAD_AGAIN,
        ) from None


def check_labels_mesh(path: Path, num_points: int) -> None:
    """Compare the number of vertices of ``<scene>_vh_clean_2.labels.ply`` with the mesh's.

    Raises:
        RawDataError: they differ.
    """
    with path.open('rb') as file:
        count = read_header(file.read(4096), path).vertices(path).count
    if count != num_points:
        raise RawDataError(
            path,
            f'{count} vertices',
            f'{num_points}, as in the mesh',
            'The files are of different releases or scenes: download both again',
        )


def read_axis_alignment(path: Path) -> np.ndarray:
    """Read the matrix that turns a scene's walls parallel to the axes.

    Args:
        path: ``<scene>.txt``, lines ``key = value``.

    Returns:
        ``(4, 4)`` float64, for column vectors (x, y, z, 1).

    Raises:
        RawDataError: no line ``axisAlignment``, or not 16 finite numbers in it.
    """
    for line in path.read_text(errors='replace').splitlines():
        key, _, value = line.partition('=')
        if key.strip() != 'axisAlignment':
            continue
        try:
            numbers = np.array([float(word) for word in value.split()])
        except ValueError:
            numbers = np.zeros(0)
        if len(numbers) == 16 and np.all(np.abs(numbers) < _FARTHEST):
            return numbers.reshape(4, 4)
        raise RawDataError(
            path,
            f'axisAlignment = {value.strip()[:80]!r}',
            f'16 numbers below {_FARTHEST:g}, row by row',
            DOWNLOAD_AGAIN,
        )
    raise RawDataError(
        path,
        'no line axisAlignment',
        'axisAlignment = 16 numbers',
        'Download the file again from release v2; for a scene that is aligned already add the line '
        'axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1',
    )


def read_label_map(path: Path, *, column: str = 'nyu40id') -> dict[str, int]:
    """Read which raw label has which id.

    Args:
        path: ``scannetv2-labels.combined.tsv``.
        column: that holds the ids. Rows in which it is empty are left out.

    Returns:
        Raw label → id.

    Raises:
        RawDataError: a column is missing, or holds something else than integers.
    """
    with path.open(newline='', encoding='utf-8-sig', errors='replace') as file:
        rows = csv.DictReader(file, delimiter='\t')
        missing = {'raw_category', column} - set(rows.fieldnames or ())
        if missing:
            raise RawDataError(
                path,
                f'no columns {sorted(missing)}',
                'the tab-separated table of release v2',
                DOWNLOAD_AGAIN,
            )
        try:
            return {row['raw_category']: int(row[column]) for row in rows if row[column]}
        except (ValueError, csv.Error) as error:
            raise RawDataError(path, str(error), f'integers in {column}', DOWNLOAD_AGAIN) from None


def read_split(path: Path) -> list[str]:
    """Read a list of scenes, one a line.

    Raises:
        RawDataError: it names a scene twice.
    """
    lines = path.read_text('utf-8-sig', errors='replace').splitlines()
    scenes = [line.strip() for line in lines if line.strip()]
    twice = sorted({scene for scene in scenes if scenes.count(scene) > 1})
    if twice:
        raise RawDataError(path, f'{twice[:5]} twice', 'every scene once', 'Remove the repetition')
    return scenes
