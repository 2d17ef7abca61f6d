# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What is to be shown of one scene, and how prediction and truth compare in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.structures import Det3DDataSample

from ..structures import InstanceMap, to_array

FOUND, WRONG_CLASS, POOR, UNMATCHED = 'found', 'wrong class', 'poor', 'unmatched'


@dataclass(frozen=True)
class Scene:
    """A scan with, where there are, its predicted and its true objects.

    Attributes:
        name: shown to people.
        xyz: ``(P, 3)`` float metres, z up.
        rgb: ``(P, 3)`` uint8.
        pred: predicted objects, or None.
        truth: ground truth, or None.
    """

    name: str
    xyz: np.ndarray
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
        """Makes a scene of a scan's points as they are stored.

        Args:
            name: shown to people.
            points: ``(P, 3)`` x y z or ``(P, 6)`` x y z r g b with colours in 0..255; array or
                tensor.
            pred: predicted objects of the same points.
            truth: ground truth of the same points.

        Raises:
            ValueError: another shape, coordinates that are not finite, colours out of range, or a
                map of another number of points.
        """
        points = to_array(points)
        if points.ndim != 2 or points.shape[1] not in (3, 6):
            raise ValueError(f'{name}: points must be (P, 3) or (P, 6), found {points.shape}.')
        xyz = points[:, :3].astype(np.float64)
        if not np.isfinite(xyz).all():
            raise ValueError(f'{name}: coordinates must be finite; leave such points out.')
        rgb = np.full((len(points), 3), 160.0)
        if points.shape[1] == 6:
            rgb = points[:, 3:6].astype(np.float64)
            if not ((rgb >= 0) & (rgb <= 255)).all():
                raise ValueError(
                    f'{name}: colours must be in 0..255, found {rgb.min()} to {rgb.max()}. '
                    'Give the colours of the file, not the normalised ones.'
                )
        for kind, objects in (('pred', pred), ('truth', truth)):
            if objects is not None and objects.instance.shape != (len(points),):
                raise ValueError(
                    f'{name}: {kind} is for {len(objects.instance)} points, the scan has '
                    f'{len(points)}.'
                )
        return cls(name, xyz, np.round(rgb).astype(np.uint8), pred, truth)

    @classmethod
    def of_sample(cls, sample: Det3DDataSample, *, num_classes: int) -> Scene:
        """A scene as its file holds it: the pipeline has centred points and scaled colours.

        Args:
            sample: what a model predicted for a scan, with ``eval_ann_info`` where there is truth.
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
        """The same scene with some of its points; objects keep their numbers."""
        maps = (whole if whole is None else whole.take(rows) for whole in (self.pred, self.truth))
        return Scene(self.name, self.xyz[rows], self.rgb[rows], *maps)


@dataclass(frozen=True)
class Comparison:
    """Predicted objects beside true ones, at an IoU of one half.

    Attributes:
        iou: ``(Q,)`` best IoU of each predicted object, with an object of its class if one
            exceeds 1/4, else with any object.
        match: ``(Q,)`` the true object of that IoU, -1 for none.
        status: per predicted object 'found' (IoU > 1/2, right class), 'wrong class' (IoU > 1/2
            with an object of another class), 'poor' (IoU > 1/4, right class) or 'unmatched'.
        found: ``(G,)`` bool, true objects that a predicted one matches.
    """

    iou: np.ndarray
    match: np.ndarray
    status: tuple[str, ...]
    found: np.ndarray


def overlaps(first: InstanceMap, second: InstanceMap) -> np.ndarray:
    """IoU of each object of one map with each of another of the same points, ``(Q, G)``."""
    shape = len(first.labels) + 1, len(second.labels) + 1
    table = np.bincount(
        (first.instance + 1) * shape[1] + second.instance + 1, minlength=shape[0] * shape[1]
    ).reshape(shape)
    inter = table[1:, 1:]
    union = table.sum(axis=1)[1:, None] + table.sum(axis=0)[None, 1:] - inter
    return inter / np.maximum(union, 1)


def compare(pred: InstanceMap, truth: InstanceMap) -> Comparison:
    """Compares two maps of the same points."""
    num_pred, num_gt = len(pred.labels), len(truth.labels)
    iou_any = overlaps(pred, truth)
    iou_same = np.where(pred.labels[:, None] == truth.labels[None, :], iou_any, 0.0)
    best, match, status = np.zeros(num_pred), np.full(num_pred, -1), []
    found = np.zeros(num_gt, dtype=bool)
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
