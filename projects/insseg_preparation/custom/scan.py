# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One of people's own scans into the prepared format: units, axes, colours, labels, and checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.ops.color_range import GREY, find_color_range, is_one_color, to_bytes
from insseg3d.scans.columns import ColumnNames, ScanColumns, accepted, columns_are
from insseg3d.scans.errors import RawDataError
from insseg3d.scans.points.tables import read_scan
from insseg3d.scans.units import convert_coords

from ..scannet.scene import boxes
from .classes import ClassList

_MIXED = 0.2  # share of objects with several classes from which ids are no object ids


class CustomOptions(NamedTuple):
    """How to read the scans; all of it becomes part of the records.

    Attributes:
        names: of the columns.
        units: key of ``UNITS``; None: metres, and scans that do not look like it are refused.
        up: key of ``UP_AXES``.
        first_instance: 0 or 1, the lowest id that is an object; None: found out, or refused.
        per_class: whether instance ids begin anew in every class.
    """

    names: ColumnNames = ColumnNames()
    units: str | None = None
    up: str = 'z'
    first_instance: int | None = None
    per_class: bool = False


class ConvertedScan(NamedTuple):
    """What is written for a scan.

    Attributes:
        points: ``(P, 6)`` float32, metres, z up, colours in 0..255; grey without colours.
        semantic: ``(P,)`` int64, class + 1, 0 = none; None without labels.
        instance: ``(P,)`` int64, 0 = none; None without labels.
        boxes: of the objects that have a class, as in info files.
        has_color: whether the scan had colours.
        notes: what was unusual.
    """

    points: np.ndarray
    semantic: np.ndarray | None
    instance: np.ndarray | None
    boxes: list[dict]
    has_color: bool
    notes: list[str]


def convert_scan(
    path: Path, classes: ClassList, options: CustomOptions, *, needs_labels: bool
) -> ConvertedScan:
    """Read and convert one scan.

    Args:
        path: the file.
        classes: the class list.
        options: how to read it.
        needs_labels: whether a scan without labels is refused.

    Raises:
        RawDataError: it cannot be used, or would spoil a training.
    """
    columns = read_scan(path, options.names)
    notes: list[str] = [*columns.notes]
    coords = convert_coords(columns.coords, path, notes, units=options.units, up=options.up)
    colors = convert_colors(columns.colors, path, notes, columns.names)
    points = np.full((len(coords), 6), GREY, dtype=np.float32)
    points[:, :3] = coords
    if colors is not None:
        points[:, 3:] = colors
    if columns.semantic is None and columns.instance is None and not needs_labels:
        return ConvertedScan(points, None, None, [], colors is not None, notes)
    given = read_labels(columns, path)
    semantic, remarks = classes.stored(given[0], path)
    notes += remarks
    instance = convert_instances(given[1], semantic, path, options, classes, notes)
    objects = _boxes(points[:, :3], semantic, instance)
    return ConvertedScan(points, semantic, instance, objects, colors is not None, notes)


def convert_colors(
    given: np.ndarray | None, path: Path, notes: list[str], names: Sequence[str] = ()
) -> np.ndarray | None:
    """To 0..255, ``(P, 3)`` float32; None without colours, or if they are all the same.

    Colours of any other range are scaled and rounded; the few values above it are clipped.

    Raises:
        RawDataError: NaN, negative, or above 65535.
    """
    if given is None:
        notes.append(f'no colours; stored as grey{columns_are(names)}')
        return None
    colors = np.asarray(given)
    found = find_color_range(colors)
    if found is None:
        raise RawDataError(
            path,
            f'colours from {float(colors.min()):g} to {float(colors.max()):g}',
            '0..255, 0..1, or 0..65535',
            'Scale them, or leave them out; if the columns are normals, name them: '
            '--columns x,y,z,-,-,-,semantic,instance',
        )
    if is_one_color(colors):
        notes.append(f'all points have the colour {colors[0].tolist()}; stored as grey')
        return None
    if found.most == 1:
        notes.append('colours were fractions of 1 and were multiplied by 255')
    elif found.most > 255:
        notes.append(
            f'colours had {int(found.most + 1).bit_length() - 1} bits and were divided by '
            f'{found.most / 255:.4g}'
        )
    if not found.sure:
        notes.append(f'not clear, look at the colours: {found}')
    if found.most == 255:
        return np.minimum(colors.astype(np.float32), 255)
    return to_bytes(colors, found.most).astype(np.float32)


def read_labels(columns: ScanColumns, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Semantic labels and instance ids as integers, ``(P,)`` int64 each.

    Raises:
        RawDataError: one is missing, or holds something else, or numbers too large.
    """
    labels = []
    for name, values in (('semantic', columns.semantic), ('instance', columns.instance)):
        if values is None:
            raise RawDataError(
                path,
                f'no {name} labels',
                f'a column called one of: {accepted(name)}',
                f'Say what it is called with --{name}-name; a scan without labels can only be in '
                'a subfolder test',
            )
        is_number = values.dtype.kind in 'iufb'
        if not is_number or not np.isfinite(values).all() or (values != np.round(values)).any():
            wrong = values if not is_number else values[values != np.round(values)]
            raise RawDataError(
                path, f'{name} labels such as {wrong[:1].tolist()}', 'integers', 'Number them'
            )
        _check_exact(values, name, path)
        if values.dtype.kind == 'f':  # all negative numbers mean none, also what int64 has not
            values = np.maximum(values, -1e6)
        labels.append(values.astype(np.int64))
    return labels[0], labels[1]


def _check_exact(values: np.ndarray, name: str, path: Path) -> None:
    """Refuse labels that are not to be told from others, or fit into no int64.

    From ``2**24`` on in float32, and ``2**53`` in float64, different integers become one.
    """
    bits = np.finfo(values.dtype).nmant + 1 if values.dtype.kind == 'f' else 63
    largest = values.max(initial=0)
    if int(largest) >= 2**bits:
        raise RawDataError(
            path,
            f'{name} labels such as {int(largest)}, as {values.dtype}',
            f'less than 2**{bits}, or different ones may be the same',
            'Number them anew, or store them as int64',
        )


def convert_instances(
    given: np.ndarray,
    semantic: np.ndarray,
    path: Path,
    options: CustomOptions,
    classes: ClassList,
    notes: list[str],
) -> np.ndarray:
    """Instance ids that count from 1, 0 = none; ``(P,)`` int64.

    Negative ids are none. Whether 0 is an object matters only where points with a class have it:
    it is one if −1 says what is none, and otherwise nobody can know.

    Raises:
        RawDataError: 0 may be an object or none, or ids that are no object ids.
    """
    first = options.first_instance
    zeros = (given == 0) & (semantic > 0)
    if first is None and zeros.any() and not (given < 0).any():
        names = [classes.names[k - 1] for k in np.unique(semantic[zeros])[:4]]
        raise RawDataError(
            path,
            f'{np.count_nonzero(zeros)} points of {names} have the instance id 0, and there '
            'is no −1',
            'to know whether 0 is an object',
            'Give --first-instance 0 if it is, --first-instance 1 if it means no object',
        )
    if first is None:  # if neither occurs it makes no difference; from 1 on, ids stay as they are
        first = 0 if zeros.any() or (given < 0).any() else 1
    instance = np.where(given >= first, given - first + 1, 0)
    inside = (instance > 0) & (semantic > 0)
    if options.per_class:
        pairs = np.stack([semantic[inside], instance[inside]], axis=1)
        instance = np.zeros_like(instance)
        if inside.any():
            instance[inside] = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1) + 1
    num_mixed, num_objects = _count_mixed(semantic[inside], instance[inside])
    if num_mixed > max(_MIXED * num_objects, 1):
        raise RawDataError(
            path,
            f'{num_mixed} of {num_objects} instance ids have points of several classes',
            'an id for every object',
            'If ids begin anew in every class, give --per-class',
        )
    if num_mixed:
        notes.append(
            f'{num_mixed} of {num_objects} objects have points of several classes; '
            'the most frequent one counts'
        )
    if num_objects == 0:
        notes.append('no object of any class')
    elif num_objects == len(np.unique(semantic[inside])) > 3:
        notes.append('a single object in each class: do the ids tell objects of a class apart?')
    return instance


def _count_mixed(semantic: np.ndarray, instance: np.ndarray) -> tuple[int, int]:
    """How many objects have more than a tenth of their points in another class; how many there are.

    Args:
        semantic: ``(P,)``, of points that have both.
        instance: ``(P,)``.
    """
    if len(instance) == 0:
        return 0, 0
    votes = _votes(semantic, np.unique(instance, return_inverse=True)[1].reshape(-1))
    return int(np.count_nonzero(votes.max(axis=1) < 0.9 * votes.sum(axis=1))), len(votes)


def _votes(semantic: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Points of every class in every object, ``(G, K + 1)``."""
    width = int(semantic.max()) + 1
    size = (int(index.max()) + 1) * width
    return np.bincount(index * width + semantic, minlength=size).reshape(-1, width)


def _boxes(coords: np.ndarray, semantic: np.ndarray, instance: np.ndarray) -> list[dict]:
    """Boxes of the objects, with the class of most of their points."""
    inside = (instance > 0) & (semantic > 0)
    if not inside.any():
        return []
    index = np.unique(instance[inside], return_inverse=True)[1].reshape(-1)
    labels = _votes(semantic[inside], index).argmax(axis=1)
    class_of_id = {label: label - 1 for label in set(labels.tolist())}
    return boxes(coords[inside], labels[index], index + 1, np.eye(4), class_of_id)
