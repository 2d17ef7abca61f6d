# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Conversion of scenes to numbers and strings for a page."""

import base64
import io
import math

import numpy as np
from PIL import Image

from ..ops.boxes import upright_box
from ..structures import InstanceMap
from .palette import object_colors, shaded_colors
from .render import render_points, visible_points
from .room import RoomFrame, room_frame
from .scene import Comparison, Scene, compare

WALL_MARGIN = 0.2
_LEVELS = 65535
_UP = np.array([0.0, 0.0, 1.0])


def pack_scene(scene: Scene, *, num_classes: int, max_points: int) -> dict:
    """Pack a scene for the page's scripts.

    Args:
        scene: Scene to show.
        num_classes: K.
        max_points: Largest number of points to show.

    Raises:
        ValueError: The class of an object has no name.
    """
    _check_labels(scene, num_classes)
    comparison = None
    if scene.pred is not None and scene.truth is not None:
        comparison = compare(scene.pred, scene.truth)
    pred_colors, truth_colors = object_colors(scene, comparison)
    frame = room_frame(scene.coords)
    thumbnail = _thumbnail(scene, frame, pred_colors, truth_colors)
    thin = _shuffled(scene, max_points)
    if len(thin.coords) < len(scene.coords):
        frame = RoomFrame(**{**vars(frame), 'spacing': room_frame(thin.coords).spacing})
    origin, step, quantised = quantise(thin.coords)
    figure, share = _figure(scene, comparison)
    return {
        'name': scene.name,
        'total': len(scene.coords),
        'shown': len(thin.coords),
        'origin': origin.tolist(),
        'step': step,
        'xyz': _base64(quantised.astype('<u2')),
        'rgb': _base64(thin.rgb),
        'frame': {
            'centre': frame.centre.tolist(),
            'axes': frame.axes.tolist(),
            'half': frame.half.tolist(),
            'floor': frame.floor,
            'top': frame.top,
            'ceiling': frame.ceiling,
            'spacing': frame.spacing,
            'margin': WALL_MARGIN,
        },
        'pred': _pack_objects(
            scene, scene.pred, thin.pred, pred_colors, _pred_verdicts(comparison)
        ),
        'truth': _pack_objects(
            scene, scene.truth, thin.truth, truth_colors, _truth_verdicts(comparison)
        ),
        'thumbnail': thumbnail,
        'figure': figure,
        'share': share,
    }


def quantise(coords: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Round coordinates to 16 bits, with one step for all axes.

    Args:
        coords: ``(P, 3)``.

    Returns:
        Origin ``(3,)``, step in metres, and ``(P, 3)`` uint16 with
        ``coords = origin + step · quantised`` up to half a step.
    """
    if len(coords) == 0:
        return np.zeros(3), 1.0, np.zeros((0, 3), dtype=np.uint16)
    origin = coords.min(axis=0)
    step = float(max(np.ptp(coords, axis=0).max(), 1e-6)) / _LEVELS
    return origin, step, np.round((coords - origin) / step).astype(np.uint16)


def _shuffled(scene: Scene, max_points: int) -> Scene:
    """Shuffle and thin a scene; its first n points are then a random sample for any n."""
    return scene.take(np.random.default_rng(0).permutation(len(scene.coords))[:max_points])


def _pred_verdicts(comparison: Comparison | None) -> list[dict] | None:
    if comparison is None:
        return None
    return [
        {'status': status, 'iou': round(float(iou), 4), 'match': int(match)}
        for status, iou, match in zip(comparison.status, comparison.iou, comparison.match)
    ]


def _truth_verdicts(comparison: Comparison | None) -> list[dict] | None:
    if comparison is None:
        return None
    return [{'status': 'found' if found else 'missed'} for found in comparison.found]


def _pack_objects(
    scene: Scene,
    objects: InstanceMap | None,
    shown: InstanceMap | None,
    colors: np.ndarray | None,
    verdicts: list[dict] | None,
) -> dict | None:
    if objects is None or shown is None:
        return None
    wide = len(objects.labels) > 254
    items, boxes = [], _boxes(scene.coords, objects)
    for index, (label, size) in enumerate(zip(objects.labels, objects.sizes)):
        item = {
            'label': int(label),
            'points': int(size),
            'color': colors[index].tolist(),
            'box': boxes[index],
            'score': None if objects.scores is None else round(float(objects.scores[index]), 4),
            'status': None,
            'iou': None,
            'match': -1,
        }
        items.append({**item, **(verdicts[index] if verdicts else {})})
    ids = (shown.instance + 1).astype('<u2' if wide else np.uint8)
    return {'wide': wide, 'ids': _base64(ids), 'items': items}


def _boxes(coords: np.ndarray, objects: InstanceMap) -> list[dict | None]:
    """Return the smallest upright box of each object; None for an object without points."""
    order = np.argsort(objects.instance, kind='stable')
    starts = np.searchsorted(objects.instance[order], np.arange(len(objects.labels) + 1))
    boxes = []
    for start, end in zip(starts[:-1], starts[1:]):
        box = upright_box(coords[order[start:end]], _UP) if end > start else None
        boxes.append(
            box
            and {
                'centre': box.centre.round(4).tolist(),
                'size': box.size.round(4).tolist(),
                'yaw': round(math.atan2(box.axes[0, 1], box.axes[0, 0]), 5),
            }
        )
    return boxes


def _figure(scene: Scene, comparison: Comparison | None) -> tuple[str, float | None]:
    """Summarise a scene in four words, and return the share of its objects that were found."""
    if comparison is not None:
        found, total = int(comparison.found.sum()), len(comparison.found)
        return f'{found} of {total} found', found / total if total else None
    if scene.pred is not None:
        count = len(scene.pred.labels)
        return f'{count} object{"s" if count != 1 else ""} found', None
    return f'{len(scene.coords):,} points', None


def _thumbnail(scene: Scene, frame: RoomFrame, pred_colors, truth_colors) -> str:
    rgb = scene.rgb
    if scene.pred is not None:
        rgb = shaded_colors(scene.pred, pred_colors, scene.rgb)
    elif scene.truth is not None:
        rgb = shaded_colors(scene.truth, truth_colors, scene.rgb)
    visible, azimuth = visible_points(scene.coords, frame, azimuth=-60)
    image = render_points(
        scene.coords[visible],
        rgb[visible],
        frame=frame,
        width=296,
        height=168,
        azimuth=azimuth,
        elevation=48,
    )
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format='JPEG', quality=82)
    return 'data:image/jpeg;base64,' + base64.b64encode(buffer.getvalue()).decode('ascii')


def _check_labels(scene: Scene, num_classes: int) -> None:
    for kind, objects in (('pred', scene.pred), ('truth', scene.truth)):
        if objects is None:
            continue
        outside = (objects.labels < 0) | (objects.labels >= num_classes)
        if outside.any():
            raise ValueError(
                f'{scene.name}: {kind} has an object of class {objects.labels[outside][0]}, '
                f'but there are {num_classes} class names.'
            )


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode('ascii')
