# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of the annotation of a raw ScanNet v2 scene, and of its axis alignment."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from insseg_scans.errors import DOWNLOAD_AGAIN, RawDataError
from insseg_scans.points.ply import read_header

_FARTHEST = 1e6  # metres; greater values are no positions in a building


class SegGroup(NamedTuple):
    """An annotated object: its number from 0, its raw label, and its over-segments."""

    object_id: int
    label: str
    segments: list[int]


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
        path: Path of ``<scene>_vh_clean_2.0.010000.segs.json``.
        num_points: Number of vertices of the mesh.

    Returns:
        ``(P,)`` int64 ids, not necessarily consecutive.

    Raises:
        RawDataError: If the file is unreadable, or if it does not have one id per vertex.
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
    """Read the annotated objects of a scene in the order of the file.

    Args:
        path: Path of ``<scene>.aggregation.json``.

    Raises:
        RawDataError: If the file is unreadable, or if a group lacks its number, label or segments.
    """
    content = _read_json(path)
    try:
        groups = [
            SegGroup(
                object_id=int(group['objectId']),
                label=str(group['label']),
                segments=[int(segment) for segment in group['segments']],
            )
            for group in content['segGroups']
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
    """Check that ``<scene>_vh_clean_2.labels.ply`` has as many vertices as the mesh.

    Raises:
        RawDataError: If the numbers differ.
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
    """Read the matrix that makes a scene's walls parallel to the axes.

    Args:
        path: Path of ``<scene>.txt``, with lines ``key = value``.

    Returns:
        ``(4, 4)`` float64, for column vectors (x, y, z, 1).

    Raises:
        RawDataError: If there is no line ``axisAlignment``, or if it does not have 16 finite
            numbers.
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
        'Download the file again from release v2; for a scene that is already aligned, add the '
        'line axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1',
    )
