# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw files of ScanNet v2: their locations, and readers of meshes and tables."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg_scans.color_range import GREY, find_color_range, is_one_color, to_bytes
from insseg_scans.errors import DOWNLOAD_AGAIN, RawDataError
from insseg_scans.folders import refuse_dead_links
from insseg_scans.points.ply import read_ply_vertices

LABEL_MAP = 'scannetv2-labels.combined.tsv'
_SEGMENTS = '_vh_clean_2.0.010000.segs.json'
_SIDE_FOLDERS = ('.', 'meta_data', 'splits', 'tasks', 'Tasks/Benchmark')


class SceneFiles(NamedTuple):
    """Raw files of one scene; without labels, all but the mesh may be None."""

    scene: str
    mesh: Path
    segments: Path | None = None
    aggregation: Path | None = None
    labels: Path | None = None
    metadata: Path | None = None

    def paths(self) -> list[Path]:
        """Return the files that exist."""
        files = (self.mesh, self.segments, self.aggregation, self.labels, self.metadata)
        return [path for path in files if path is not None]


def find_side_file(raw: Path, name: str, remedy: str) -> Path:
    """Find a file that belongs to the release as a whole.

    Args:
        raw: Folder of the release.
        name: Name of the file.
        remedy: Source of the file, for the message.

    Raises:
        FileNotFoundError: If the file is not found.
        RawDataError: If the file is a dead link.
    """
    for folder in _SIDE_FOLDERS:
        if (raw / folder / name).is_file():
            return raw / folder / name
    refuse_dead_links(*(raw / folder / name for folder in _SIDE_FOLDERS))
    folders = ', '.join(_SIDE_FOLDERS[1:])
    raise FileNotFoundError(
        f'{raw / name}: not found; searched {raw} and its folders {folders}. {remedy}'
    )


def find_scene(
    raw: Path, scene: str, *, with_labels: bool, superpoints: bool = False
) -> SceneFiles:
    """Find a scene's files in ``scans/<scene>`` or ``scans_test/<scene>``.

    Args:
        raw: Folder of the release.
        scene: Id such as ``scene0000_00``.
        with_labels: Whether the files of the annotation are required.
        superpoints: Without labels, whether to include the over-segments if they exist; the release
            has none of the test scenes.

    Raises:
        RawDataError: If a file is missing.
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
            'Download the scene, or remove it from the split list',
        )
    mesh = _existing(folder, '_vh_clean_2.ply')
    if not with_labels:
        segments = folder / f'{scene}{_SEGMENTS}'
        if superpoints:
            refuse_dead_links(segments)
        has_segments = superpoints and segments.is_file()
        return SceneFiles(scene=scene, mesh=mesh, segments=segments if has_segments else None)
    labels = folder / f'{scene}_vh_clean_2.labels.ply'
    refuse_dead_links(labels)
    return SceneFiles(
        scene=scene,
        mesh=mesh,
        segments=_existing(folder, _SEGMENTS),
        aggregation=_existing(folder, '.aggregation.json', '_vh_clean.aggregation.json'),
        labels=labels if labels.is_file() else None,  # only compared with the mesh
        metadata=_existing(folder, '.txt'),
    )


def _existing(folder: Path, *endings: str) -> Path:
    """Return the first file ``<scene><ending>`` that exists in the folder of a scene."""
    paths = [folder / f'{folder.name}{ending}' for ending in endings]
    for path in paths:
        if path.is_file():
            return path
    refuse_dead_links(*paths)
    raise RawDataError(
        paths[0], 'no such file', 'it next to the other files of the scene', 'Download it'
    )


def read_points(path: Path, notes: list[str]) -> np.ndarray:
    """Read a mesh's vertices as points.

    Args:
        path: Path of ``<scene>_vh_clean_2.ply``.
        notes: Remarks on unusual features are appended to this list.

    Returns:
        ``(P, 6)`` float32: x, y, z in metres, r, g, b in 0..255; in the order of the file.

    Raises:
        RawDataError: If the file is unreadable or empty, if it has no colours or colours outside
            0..255, or if coordinates are not finite.
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
    """Convert colours to 0..255; grey if there is only one."""
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


def read_label_map(path: Path, *, column: str = 'nyu40id') -> dict[str, int]:
    """Read the id of each raw label.

    Args:
        path: Path of ``scannetv2-labels.combined.tsv``.
        column: Column of the ids. Rows in which it is empty are left out.

    Returns:
        Id of each raw label.

    Raises:
        RawDataError: If a column is missing, or if ids are no integers.
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
    """Read a list of scenes, one per line.

    Raises:
        RawDataError: If a scene occurs twice.
    """
    lines = path.read_text('utf-8-sig', errors='replace').splitlines()
    scenes = [line.strip() for line in lines if line.strip()]
    twice = sorted({scene for scene in scenes if scenes.count(scene) > 1})
    if twice:
        raise RawDataError(path, f'{twice[:5]} twice', 'every scene once', 'Remove the repetition')
    return scenes
