# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of one raw S3DIS room; the result is that of mmdetection3d 1.4's converter."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.datasets.s3dis import S3DISInstanceSegDataset
from insseg_scans.color_range import GREY, is_one_color

from .raw import class_name, find_annotations, read_annotation

CLASSES = S3DISInstanceSegDataset.METAINFO['classes']
BOX_CLASSES = ('table', 'chair', 'sofa', 'bookcase', 'board')
"""Classes with boxes in the info file; they are those of mmdetection3d's detectors."""


class ConvertedRoom(NamedTuple):
    """A converted room.

    Attributes:
        points: ``(P, 6)`` float32, x, y, z, r, g, b; the lowest x, y and z are 0.
        semantic: ``(P,)`` int64, 0..12.
        instance: ``(P,)`` int64, number of the annotation's file from 1.
        boxes: ``bbox_3d`` and ``bbox_label_3d`` of each object of ``BOX_CLASSES``.
        notes: Remarks on unusual features of the raw files, including each repaired byte.
    """

    points: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    boxes: list[dict]
    notes: list[str]


def convert_room(folder: Path) -> ConvertedRoom:
    """Read and convert one room, with its annotations sorted by name.

    Args:
        folder: Folder of the room, with ``Annotations``.

    Raises:
        RawDataError: If a file cannot be used.

    Deviation: mmdetection3d reads the files in the order in which the file system lists them.
    """
    notes: list[str] = []
    files = find_annotations(folder, notes)
    names = [class_name(path) for path in files]
    labels = [CLASSES.index(name) if name in CLASSES else len(CLASSES) - 1 for name in names]
    notes += [
        f'{path.name} counts as clutter' for path, name in zip(files, names) if name not in CLASSES
    ]
    coords, colors, sizes = [], [], []
    for path in files:
        annotation = read_annotation(path)
        coords.append(annotation.coords)
        colors.append(annotation.colors)
        sizes.append(len(annotation.coords))
        notes += [f'Annotations/{path.name}, {note}' for note in annotation.notes]
    points = np.empty((sum(sizes), 6), dtype=np.float32)
    low = np.min([part.min(axis=0) for part in coords], axis=0)
    boxes, start = [], 0
    for part, color, label in zip(coords, colors, labels):
        rows = points[start : start + len(part)]
        # Subtracted in float64, because float32 has too few digits for a large building.
        rows[:, :3] = part - low
        rows[:, 3:] = color
        if CLASSES[label] in BOX_CLASSES:
            boxes.append(_box(rows[:, :3], label))
        start += len(part)
    if is_one_color(points[:, 3:]):
        notes.append(f'all points have the colour {points[0, 3:].tolist()}; stored as grey')
        points[:, 3:] = GREY
    return ConvertedRoom(
        points=points,
        semantic=np.repeat(np.array(labels, dtype=np.int64), sizes),
        instance=np.repeat(np.arange(1, len(files) + 1), sizes),
        boxes=boxes,
        notes=notes,
    )


def _box(coords: np.ndarray, label: int) -> dict:
    """Compute centre and size of the axis-aligned box in float32, as the stock converter does."""
    low, high = coords.min(axis=0), coords.max(axis=0)
    return {
        'bbox_3d': [*((low + high) / 2).tolist(), *(high - low).tolist()],
        'bbox_label_3d': BOX_CLASSES.index(CLASSES[label]),
    }
