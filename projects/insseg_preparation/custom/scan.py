# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of one of the user's scans: units, axes, colours, labels, and checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg_scans.color_range import GREY, find_color_range, is_one_color, to_bytes
from insseg_scans.columns import ColumnNames, ScanColumns, accepted, columns_are
from insseg_scans.errors import RawDataError
from insseg_scans.points.tables import read_scan
from insseg_scans.units import convert_coords

from ..scannet.scene import boxes
from .classes import ClassList

_MIXED = 0.2  # greatest share of ids with several classes; beyond it, they are no object ids


class CustomOptions(NamedTuple):
    """Options for reading the scans; they become part of the records.

    Attributes:
        names: Names of the columns.
        units: Key of ``UNITS``; None means metres, and refuses scans of an implausible size.
        up: Key of ``UP_AXES``.
        first_instance: Lowest id of an object, 0 or 1; None infers it, or refuses the scan.
        per_class: Whether instance ids restart in every class.
    """

    names: ColumnNames = ColumnNames()
    units: str | None = None
    up: str = 'z'
    first_instance: int | None = None
    per_class: bool = False


class ConvertedScan(NamedTuple):
    """A converted scan.

    Attributes:
        points: ``(P, 6)`` float32, metres, z up, colours in 0..255; grey without colours.
        semantic: ``(P,)`` int64, class + 1, 0 = none; None without labels.
        instance: ``(P,)`` int64, 0 = none; None without labels.
        boxes: Boxes of the objects that have a class, in the format of info files.
        has_color: Whether the scan had colours.
        notes: Remarks on unusual features of the scan.
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
        path: Path of the scan.
        classes: The class list.
        options: Options for reading the scan.
        needs_labels: Whether to refuse a scan without labels.

    Raises:
        RawDataError: If the scan cannot be used, or would spoil training.
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
        return ConvertedScan(
            points=points,
            semantic=None,
            instance=None,
            boxes=[],
            has_color=colors is not None,
            notes=notes,
        )
    given_semantic, given_instance = read_labels(columns, path)
    semantic, remarks = classes.stored(given_semantic, path)
    notes += remarks
    instance = convert_instances(given_instance, semantic, path, options, classes, notes)
    return ConvertedScan(
        points=points,
        semantic=semantic,
        instance=instance,
        boxes=_boxes(points[:, :3], semantic, instance),
        has_color=colors is not None,
        notes=notes,
    )


def convert_colors(
    given: np.ndarray | None, path: Path, notes: list[str], names: Sequence[str] = ()
) -> np.ndarray | None:
    """Convert colours to 0..255, ``(P, 3)`` float32; None without colours, or if all are the same.

    Colours in another range are scaled and rounded; the few values above the range are clipped.

    Raises:
        RawDataError: If colours are NaN, negative, or above 65535.
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
    """Read semantic labels and instance ids as integers, ``(P,)`` int64 each.

    Raises:
        RawDataError: If one of them is missing, has other values, or has numbers that are too
            large.
    """
    labels = []
    for name, values in (('semantic', columns.semantic), ('instance', columns.instance)):
        if values is None:
            raise RawDataError(
                path,
                f'no {name} labels',
                f'a column called one of: {accepted(name)}',
                f'Name the column with --{name}-name; a scan without labels can only be in '
                'a subfolder test',
            )
        is_number = values.dtype.kind in 'iufb'
        if not is_number or not np.isfinite(values).all() or (values != np.round(values)).any():
            wrong = values if not is_number else values[values != np.round(values)]
            raise RawDataError(
                path, f'{name} labels such as {wrong[:1].tolist()}', 'integers', 'Number them'
            )
        _check_exact(values, name, path)
        if (
            values.dtype.kind == 'f'
        ):  # all negative numbers mean none, even those below the range of int64
            values = np.maximum(values, -1e6)
        labels.append(values.astype(np.int64))
    return labels[0], labels[1]


def _check_exact(values: np.ndarray, name: str, path: Path) -> None:
    """Refuse labels that cannot be distinguished in their dtype, or that overflow int64.

    From ``2**24`` in float32, and from ``2**53`` in float64, different integers become equal.
    """
    bits = np.finfo(values.dtype).nmant + 1 if values.dtype.kind == 'f' else 63
    largest = values.max(initial=0)
    if int(largest) >= 2**bits:
        raise RawDataError(
            path,
            f'{name} labels such as {int(largest)}, as {values.dtype}',
            f'less than 2**{bits}, because different larger ones may become equal',
            'Renumber them, or store them as int64',
        )


def convert_instances(
    given: np.ndarray,
    semantic: np.ndarray,
    path: Path,
    options: CustomOptions,
    classes: ClassList,
    notes: list[str],
) -> np.ndarray:
    """Convert instance ids to ids from 1, 0 = none; ``(P,)`` int64.

    Negative ids mean none. If points with a class have the id 0, it is an object if other points
    have the id −1; otherwise it is ambiguous.

    Raises:
        RawDataError: If the id 0 is ambiguous, or if the ids are no object ids.
    """
    first = options.first_instance
    zeros = (given == 0) & (semantic > 0)
    if first is None and zeros.any() and not (given < 0).any():
        names = [classes.names[k - 1] for k in np.unique(semantic[zeros])[:4]]
        raise RawDataError(
            path,
            f'{np.count_nonzero(zeros)} points of {names} have the instance id 0, and there '
            'is no −1',
            'a definition of whether 0 is an object',
            'Give --first-instance 0 if it is, --first-instance 1 if it means no object',
        )
    if first is None:  # if neither 0 nor −1 occurs, 1 leaves the ids unchanged
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
            'If ids restart in every class, give --per-class',
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
    """Count the objects with more than a tenth of their points in another class, and all objects.

    Args:
        semantic: ``(P,)`` classes of the points that have a class and an object.
        instance: ``(P,)`` objects of these points.
    """
    if len(instance) == 0:
        return 0, 0
    votes = _votes(semantic, np.unique(instance, return_inverse=True)[1].reshape(-1))
    return int(np.count_nonzero(votes.max(axis=1) < 0.9 * votes.sum(axis=1))), len(votes)


def _votes(semantic: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Count the points of each class in each object, ``(G, K + 1)``."""
    width = int(semantic.max()) + 1
    size = (int(index.max()) + 1) * width
    return np.bincount(index * width + semantic, minlength=size).reshape(-1, width)


def _boxes(coords: np.ndarray, semantic: np.ndarray, instance: np.ndarray) -> list[dict]:
    """Compute the boxes of the objects, with the class of most of their points."""
    inside = (instance > 0) & (semantic > 0)
    if not inside.any():
        return []
    index = np.unique(instance[inside], return_inverse=True)[1].reshape(-1)
    labels = _votes(semantic[inside], index).argmax(axis=1)
    class_of_id = {label: label - 1 for label in set(labels.tolist())}
    return boxes(coords[inside], labels[index], index + 1, np.eye(4), class_of_id)
