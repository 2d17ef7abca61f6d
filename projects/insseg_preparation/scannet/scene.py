# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of one raw ScanNet v2 scene; the result is that of mmdetection3d 1.4's converter.

There are two exceptions. The objects of scene0217_00, which its annotation lists twice, count once.
If two objects share an over-segment, the later one gets both its label and its instance id; in
mmdetection3d's converter, the label may remain that of the earlier one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from insseg_scans.errors import RawDataError

from .annotation import (
    SegGroup,
    check_labels_mesh,
    read_axis_alignment,
    read_groups,
    read_segments,
)
from .raw import SceneFiles, read_points

LISTED_TWICE = 'scene0217_00'


class ConvertedScene(NamedTuple):
    """A converted scene.

    Attributes:
        points: ``(P, 6)`` float32, x, y, z, r, g, b as in the raw mesh, unaligned.
        semantic: ``(P,)`` int64, stored ids, 0 = unannotated; None without labels.
        instance: ``(P,)`` int64, objectId + 1, 0 = unannotated; None without labels.
        superpoints: ``(P,)`` int64, over-segments numbered 0..S−1 in ascending order of their raw
            ids; None if not requested, or if there are none.
        info: The scene's entry in the info file.
        notes: Remarks on unusual features of the raw files.
    """

    points: np.ndarray
    semantic: np.ndarray | None
    instance: np.ndarray | None
    superpoints: np.ndarray | None
    info: dict
    notes: list[str]


def convert_scene(
    files: SceneFiles,
    label_map: dict[str, int],
    class_of_id: Mapping[int, int],
    *,
    superpoints: bool = False,
) -> ConvertedScene:
    """Read and convert one scene.

    Args:
        files: Raw files of the scene; without those of the annotation, it has no labels.
        label_map: Stored id of each raw label.
        class_of_id: Class index of each stored id, for the classes with boxes.
        superpoints: Whether to keep the over-segments.

    Raises:
        RawDataError: If a file cannot be used, or if two files do not belong together.
    """
    notes: list[str] = []
    points = read_points(files.mesh, notes)
    file_name = f'{files.scene}.bin'
    info = {'lidar_points': {'num_pts_feats': 6, 'lidar_path': file_name}, 'instances': []}
    segments = superpoint_ids = None
    if files.segments is not None:
        segments = read_segments(files.segments, len(points))
    if superpoints and segments is None:
        notes.append('no over-segments, so no superpoints')
    elif superpoints:
        superpoint_ids = np.unique(segments, return_inverse=True)[1].astype(np.int64)
        info['super_pts_path'] = file_name
    if files.aggregation is None:
        return ConvertedScene(
            points=points,
            semantic=None,
            instance=None,
            superpoints=superpoint_ids,
            info=info,
            notes=notes,
        )
    if files.labels is not None:
        check_labels_mesh(files.labels, len(points))
    groups = read_groups(files.aggregation)
    if files.scene == LISTED_TWICE:
        groups = drop_second_listing(groups, notes)
    ids = _label_ids(files, groups, label_map)
    semantic, instance = label_points(segments, groups, ids, files, notes)
    alignment = read_axis_alignment(files.metadata)
    info['instances'] = boxes(points[:, :3], semantic, instance, alignment, class_of_id)
    info['pts_semantic_mask_path'] = info['pts_instance_mask_path'] = file_name
    info['axis_align_matrix'] = alignment.tolist()
    return ConvertedScene(
        points=points,
        semantic=semantic,
        instance=instance,
        superpoints=superpoint_ids,
        info=info,
        notes=notes,
    )


def drop_second_listing(groups: list[SegGroup], notes: list[str]) -> list[SegGroup]:
    """Drop the second half of the groups if it repeats the objects of the first half.

    Source: PointGroup's preparation drops it in scene0217_00. If the halves have no segment in
    common, the file was already corrected, and is not changed.
    """
    half = len(groups) // 2
    first = {segment for group in groups[:half] for segment in group.segments}
    second = {segment for group in groups[half:] for segment in group.segments}
    if len(groups) % 2 or not first & second:
        return groups
    notes.append(f'the annotation lists its {half} objects twice; the second listing was dropped')
    return groups[:half]


def _label_ids(files: SceneFiles, groups: list[SegGroup], label_map: dict[str, int]) -> list[int]:
    """Look up the stored id of every group."""
    unknown = sorted({group.label for group in groups} - set(label_map))
    if unknown:
        raise RawDataError(
            files.aggregation,
            f'labels {unknown[:5]}',
            'labels of the label map',
            'Get the scannetv2-labels.combined.tsv of the same release, or add them to it',
        )
    return [label_map[group.label] for group in groups]


def label_points(
    segments: np.ndarray,
    groups: list[SegGroup],
    ids: list[int],
    files: SceneFiles,
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Label every point with the semantic id and instance id of the last group of its segment.

    Args:
        segments: ``(P,)`` over-segment of each point.
        groups: Annotated objects.
        ids: Semantic id of each group.
        files: Raw files of the scene, for messages.
        notes: A remark on shared segments is appended to this list.

    Returns:
        Semantic ids and instance ids (objectId + 1), ``(P,)`` int64 each; 0 = unannotated.

    Raises:
        RawDataError: If a group has a segment that no vertex has, or if two groups with the same
            number have different labels.
    """
    names, index = np.unique(segments, return_inverse=True)
    group_of_segment = np.full(len(names), -1)
    labels: dict[int, str] = {}
    num_shared = 0
    for number, group in enumerate(groups):
        if labels.setdefault(group.object_id, group.label) != group.label:
            raise RawDataError(
                files.aggregation,
                f'object {group.object_id} is {labels[group.object_id]!r} and {group.label!r}',
                'one label per object',
                'Download the file again',
            )
        wanted = np.asarray(group.segments, dtype=np.int64)
        rows = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        unknown = wanted[names[rows] != wanted]
        if len(unknown):
            raise RawDataError(
                files.aggregation,
                f'object {group.object_id} has the segments {unknown[:5].tolist()}',
                f'segments of {files.segments.name}',
                'The files are of different releases or scenes: download both again',
            )
        others = group_of_segment[rows]
        num_shared += np.count_nonzero((others >= 0) & (others != number))
        group_of_segment[rows] = number
    if num_shared:
        notes.append(f'{num_shared} over-segments belong to two objects; the later one has them')
    # The additional last row is selected by −1.
    semantic_of_group = np.array([*ids, 0], dtype=np.int64)
    instance_of_group = np.array([*(group.object_id + 1 for group in groups), 0], dtype=np.int64)
    group_of_point = group_of_segment[index]
    return semantic_of_group[group_of_point], instance_of_group[group_of_point]


def boxes(
    coords: np.ndarray,
    semantic: np.ndarray,
    instance: np.ndarray,
    alignment: np.ndarray,
    class_of_id: Mapping[int, int],
) -> list[dict]:
    """Compute the boxes of the objects, parallel to the axes of the aligned scene.

    Args:
        coords: ``(P, 3)`` metres, unaligned.
        semantic: ``(P,)`` stored ids.
        instance: ``(P,)`` instance ids, 0 = none; all points of one have the same semantic id.
        alignment: ``(4, 4)`` matrix that aligns the scene.
        class_of_id: Class index of each stored id that is an instance class.

    Returns:
        ``bbox_3d`` (centre x, y, z, size x, y, z in metres) and ``bbox_label_3d`` of each object,
        in ascending order of instance ids.
    """
    # Written out, because the summation order of a matrix product may depend on the number of
    # threads.
    x, y, z = coords.astype(np.float64).T
    aligned = np.stack([x * r[0] + y * r[1] + z * r[2] + r[3] for r in alignment[:3]], axis=1)
    order = np.argsort(instance, kind='stable')
    starts = np.unique(instance[order], return_index=True)[1]
    lows = np.minimum.reduceat(aligned[order], starts, axis=0)
    highs = np.maximum.reduceat(aligned[order], starts, axis=0)
    ids = semantic[order][starts]
    return [
        {
            'bbox_3d': [*((low + high) / 2).tolist(), *(high - low).tolist()],
            'bbox_label_3d': class_of_id[stored],
        }
        for low, high, stored in zip(lows, highs, ids.tolist())
        if stored in class_of_id  # 0, unannotated, is not
    ]
