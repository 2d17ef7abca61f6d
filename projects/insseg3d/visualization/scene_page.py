# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One HTML file that shows scenes, predictions and ground truth, and needs nothing else."""
import base64
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from .palette import instance_palette, object_colors, shaded_colors
from .render import render_points, visible_points
from .room import RoomFrame, room_frame
from .scene import Comparison, InstanceMap, Scene, compare

WALL_MARGIN = 0.2
_SCRIPTS = (
    'camera.js',
    'points_webgl.js',
    'points_canvas.js',
    'scene_data.js',
    'viewer.js',
    'app.js',
)
_LEVELS = 65535


def write_scene_page(
    path: str | Path,
    scenes: Sequence[Scene],
    *,
    classes: Sequence[str],
    title: str,
    subtitle: str = '',
    metrics: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    max_points: int = 40_000,
) -> Path:
    """Writes a page with up to three views of each scene, to turn, to zoom and to click.

    The page opens from disk, without a network: input colours, prediction and ground truth side
    by side, a list of objects, a legend, and the table of average precision. It draws with WebGL
    and, where that is missing, on a plain canvas.

    Args:
        path: of the page; its folder is made if need be.
        scenes: at least one; predictions and ground truth are shown where a scene has them.
        classes: K names.
        title: head line.
        subtitle: a line below it.
        metrics: what ``InsSegMetric`` returned (without a prefix), for the table; NaN is shown
            as a dash.
        notes: sentences for the foot of the page.
        max_points: scans with more points are thinned at random (the same in every run); the page
            says so. About 11 bytes a point, before base64.

    Returns:
        The path written.

    Raises:
        ValueError: no scene, or an object whose class has no name.
    """
    if not scenes:
        raise ValueError('write_scene_page needs at least one scene, found none.')
    data = {
        'title': title,
        'subtitle': subtitle,
        'classes': list(classes),
        'classColors': instance_palette(len(classes)).tolist(),
        'cards': _cards(metrics or {}),
        'table': _table(metrics or {}, classes),
        'notes': list(notes),
        'scenes': [_pack_scene(scene, len(classes), max_points) for scene in scenes],
    }
    # "<" never appears in the data, so that no name can end the script element.
    text = json.dumps(data, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    parts = {
        'title': html.escape(title),
        'css': _asset('page.css'),
        'data': text,
        'js': '\n'.join(_asset(name) for name in _SCRIPTS),
    }
    page = re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], _asset('template.html'))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding='utf-8')
    return path


def _asset(name: str) -> str:
    return (resources.files(__package__) / 'page' / name).read_text(encoding='utf-8')


def _cards(metrics: Mapping[str, float]) -> list[dict]:
    hints = {
        'AP50': 'average precision at IoU 0.5',
        'AP': 'mean of the average precision at IoU 0.50, 0.55, …, 0.90',
        'AP25': 'average precision at IoU 0.25',
    }
    cards = [
        {'name': name, 'value': _percent(metrics[name]), 'hint': hint, 'main': name == 'AP50'}
        for name, hint in hints.items()
        if name in metrics
    ]
    if 'num_objects_scored' in metrics:
        scored, total = int(metrics['num_objects_scored']), int(metrics['num_objects'])
        hint = 'ground-truth objects that are large enough to be scored'
        cards.append(
            {'name': 'objects scored', 'value': f'{scored} / {total}', 'hint': hint, 'main': False}
        )
    return cards


def _table(metrics: Mapping[str, float], classes: Sequence[str]) -> dict | None:
    rows = []
    for name in ('AP', 'AP50', 'AP25'):
        if name in metrics:
            values = [_or_none(metrics.get(f'{name}/{class_name}')) for class_name in classes]
            rows.append({'name': name, 'overall': _or_none(metrics[name]), 'values': values})
    shown = [
        index
        for index in range(len(classes))
        if any(row['values'][index] is not None for row in rows)
    ]
    if not shown:
        return None
    for row in rows:
        row['values'] = [row['values'][index] for index in shown]
    return {'classes': [classes[index] for index in shown], 'rows': rows}


def _pack_scene(scene: Scene, num_classes: int, max_points: int) -> dict:
    _check_labels(scene, num_classes)
    comparison = None
    if scene.pred is not None and scene.truth is not None:
        comparison = compare(scene.pred, scene.truth)
    pred_colors, truth_colors = object_colors(scene, comparison)
    frame = room_frame(scene.xyz)
    thumbnail = _thumbnail(scene, frame, pred_colors, truth_colors)
    thin = _thin(scene, max_points)
    if len(thin.xyz) < len(scene.xyz):
        frame = RoomFrame(**{**vars(frame), 'spacing': room_frame(thin.xyz).spacing})
    origin, step, quantised = quantise(thin.xyz)
    figure, share = _figure(scene, comparison)
    return {
        'name': scene.name,
        'total': len(scene.xyz),
        'shown': len(thin.xyz),
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
        'pred': _pack_objects(thin.pred, scene.pred, pred_colors, _pred_verdicts(comparison)),
        'truth': _pack_objects(thin.truth, scene.truth, truth_colors, _truth_verdicts(comparison)),
        'thumbnail': thumbnail,
        'figure': figure,
        'share': share,
    }


def quantise(xyz: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Rounds coordinates to 16 bits, with one step for all axes.

    Args:
        xyz: ``(P, 3)``.

    Returns:
        Origin ``(3,)``, step in metres, and ``(P, 3)`` uint16 with
        ``xyz = origin + step · quantised`` up to half a step.
    """
    if len(xyz) == 0:
        return np.zeros(3), 1.0, np.zeros((0, 3), dtype=np.uint16)
    origin = xyz.min(axis=0)
    step = float(max(np.ptp(xyz, axis=0).max(), 1e-6)) / _LEVELS
    return origin, step, np.round((xyz - origin) / step).astype(np.uint16)


def _thin(scene: Scene, max_points: int) -> Scene:
    count = len(scene.xyz)
    if count <= max_points:
        return scene
    rows = np.random.default_rng(0).choice(count, max_points, replace=False)
    return scene.take(np.sort(rows))


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
    shown: InstanceMap | None,
    objects: InstanceMap | None,
    colors: np.ndarray | None,
    verdicts: list[dict] | None,
) -> dict | None:
    if objects is None or shown is None:
        return None
    wide = len(objects.labels) > 254
    items = []
    for index, (label, size) in enumerate(zip(objects.labels, objects.sizes)):
        item = {
            'label': int(label),
            'points': int(size),
            'color': colors[index].tolist(),
            'score': None if objects.scores is None else round(float(objects.scores[index]), 4),
            'status': None,
            'iou': None,
            'match': -1,
        }
        items.append({**item, **(verdicts[index] if verdicts else {})})
    ids = (shown.instance + 1).astype('<u2' if wide else np.uint8)
    return {'wide': wide, 'ids': _base64(ids), 'items': items}


def _figure(scene: Scene, comparison: Comparison | None) -> tuple[str, float | None]:
    """A scene in four words, and the share of its objects that were found."""
    if comparison is not None:
        found, total = int(comparison.found.sum()), len(comparison.found)
        return f'{found} of {total} found', found / total if total else None
    if scene.pred is not None:
        count = len(scene.pred.labels)
        return f'{count} object{"s" if count != 1 else ""} found', None
    return f'{len(scene.xyz):,} points', None


def _thumbnail(scene: Scene, frame: RoomFrame, pred_colors, truth_colors) -> str:
    rgb = scene.rgb
    if scene.pred is not None:
        rgb = shaded_colors(scene.pred, pred_colors, scene.rgb)
    elif scene.truth is not None:
        rgb = shaded_colors(scene.truth, truth_colors, scene.rgb)
    visible, azimuth = visible_points(scene.xyz, frame, azimuth=-60)
    image = render_points(
        scene.xyz[visible],
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


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _percent(value: float) -> str:
    return '–' if math.isnan(value) else f'{100 * value:.1f}'
