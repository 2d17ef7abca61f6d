# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A scene to show, and the comparison of its predicted and true objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.structures import Det3DDataSample

from ..ops.contingency import map_ious
from ..structures import InstanceMap, to_array

FOUND, WRONG_CLASS, POOR, UNMATCHED = 'found', 'wrong class', 'poor', 'unmatched'


@dataclass(frozen=True)
class Scene:
    """A scan with its predicted and its true objects, where available.

    Attributes:
        name: Name to show.
        coords: ``(P, 3)`` float metres, z up.
        rgb: ``(P, 3)`` uint8.
        pred: Predicted objects, or None.
        truth: Ground truth, or None.
    """

    name: str
    coords: np.ndarray
    rgb: np.ndarray
    pred: InstanceMap | None = None
    truth: InstanceMap | None = None

    @classmethod
    def of(
        cls,
        name: str,
        points: Any,
        *,
        pred: InstanceMap | None = None,
        truth: InstanceMap | None = None,
    ) -> Scene:
        """Make a scene from a scan's points as they are stored.

        Args:
            name: Name to show.
            points: ``(P, 3)`` x y z or ``(P, 6)`` x y z r g b with colours in 0..255; array or
                tensor.
            pred: Predicted objects of the same points.
            truth: Ground truth of the same points.

        Raises:
            ValueError: The points have another shape, coordinates are not finite, colours are out
                of range, or a map has another number of points.
        """
        points = to_array(points)
        if points.ndim != 2 or points.shape[1] not in (3, 6):
            raise ValueError(f'{name}: points must be (P, 3) or (P, 6), found {points.shape}.')
        coords = points[:, :3].astype(np.float64)
        if not np.isfinite(coords).all():
            raise ValueError(f'{name}: coordinates must be finite; leave such points out.')
        rgb = np.full((len(points), 3), 160.0)
        if points.shape[1] == 6:
            rgb = points[:, 3:6].astype(np.float64)
            if not ((rgb >= 0) & (rgb <= 255)).all():
                raise ValueError(
                    f'{name}: colours must be in 0..255, found {rgb.min()} to {rgb.max()}. '
                    'Pass the colours of the file, not the normalised ones.'
                )
        for kind, objects in (('pred', pred), ('truth', truth)):
            if objects is not None and objects.instance.shape != (len(points),):
                raise ValueError(
                    f'{name}: {kind} is for {len(objects.instance)} points, the scan has '
                    f'{len(points)}.'
                )
        return cls(name, coords, np.round(rgb).astype(np.uint8), pred, truth)

    @classmethod
    def of_sample(cls, sample: Det3DDataSample, *, num_classes: int) -> Scene:
        """Make a scene from a data sample.

        The points are read from the scene's file again, because the pipeline has centred the
        coordinates and scaled the colours.

        Args:
            sample: A model's prediction, with ``eval_ann_info`` if there is ground truth.
            num_classes: K.
        """
        path = Path(sample.metainfo['lidar_path'])
        points = np.fromfile(path, dtype=np.float32)
        result, truth = sample.pred_pts_seg, sample.get('eval_ann_info')
        return cls.of(
            path.stem,
            points.reshape(-1, sample.metainfo['num_pts_feats']),
            pred=InstanceMap.of(
                result.pts_instance_mask, result.instance_labels, result.instance_scores
            ),
            truth=None
            if not truth
            else InstanceMap.from_annotation(
                truth['pts_instance_mask'], truth['pts_semantic_mask'], num_classes=num_classes
            ),
        )

    def take(self, rows: np.ndarray) -> Scene:
        """Select some of the scene's points; objects keep their indices."""
        maps = (whole if whole is None else whole.take(rows) for whole in (self.pred, self.truth))
        return Scene(self.name, self.coords[rows], self.rgb[rows], *maps)


@dataclass(frozen=True)
class Comparison:
    """Predicted objects compared with true ones, at an IoU of one half.

    Attributes:
        iou: ``(Q,)`` best IoU of each predicted object, with an object of its class if one
            exceeds 1/4, else with any object.
        match: ``(Q,)`` the true object of that IoU, -1 for none.
        status: Status of each predicted object: 'found' (IoU > 1/2, right class), 'wrong class'
            (IoU > 1/2 with an object of another class), 'poor' (IoU > 1/4, right class) or
            'unmatched'.
        found: ``(G,)`` bool; whether a predicted object matches each true one.
    """

    iou: np.ndarray
    match: np.ndarray
    status: tuple[str, ...]
    found: np.ndarray


def overlaps(first: InstanceMap, second: InstanceMap) -> np.ndarray:
    """Compute the IoU of each object of one map with each of another map, ``(Q, G)``."""
    return map_ious(first.instance, second.instance, num_first=len(first), num_second=len(second))


def compare(pred: InstanceMap, truth: InstanceMap) -> Comparison:
    """Compare two maps of the same points."""
    num_pred, num_truth = len(pred.labels), len(truth.labels)
    iou_any = overlaps(pred, truth)
    iou_same = np.where(pred.labels[:, None] == truth.labels[None, :], iou_any, 0.0)
    best, match, status = np.zeros(num_pred), np.full(num_pred, -1), []
    found = np.zeros(num_truth, dtype=bool)
    for row in range(num_pred):
        same, other = iou_same[row].max(initial=0.0), iou_any[row].max(initial=0.0)
        chosen = iou_same[row] if same > 0.25 and other <= 0.5 or same > 0.5 else iou_any[row]
        best[row] = chosen.max(initial=0.0)
        if best[row] > 0:
            match[row] = chosen.argmax()
        if same > 0.5:
            status.append(FOUND)
            found[match[row]] = True
        elif other > 0.5:
            status.append(WRONG_CLASS)
        else:
            status.append(POOR if same > 0.25 else UNMATCHED)
    return Comparison(best, match, tuple(status), found)
