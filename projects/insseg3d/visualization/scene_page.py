# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A self-contained HTML page that shows scenes, predictions and ground truth."""

import base64
import gzip
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from matplotlib import colormaps

from .page_data import pack_scene
from .palette import instance_palette
from .scene import Scene

_SCRIPTS = ('library.js', 'scene_data.js', 'lists.js', 'viewer.js', 'app.js')
_LIBRARY = {
    'three_core': 'three.core.min.js',
    'three_module': 'three.module.min.js',
    'three_controls': 'OrbitControls.js',
}


def write_scene_page(
    path: str | Path,
    scenes: Sequence[Scene],
    *,
    classes: Sequence[str],
    title: str,
    subtitle: str = '',
    metrics: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    score_thr: float = 0.0,
    max_points: int = 300_000,
) -> Path:
    """Write a page on which scenes can be rotated, zoomed and clicked.

    The page opens from disk, without a network. It shows the scan's colours; its objects by class,
    instance or score; ground truth and errors where available; one view or three side by side;
    lists of objects, a legend, and the table of average precision. The page includes three.js,
    which draws with WebGL; without WebGL the page shows a picture.

    Args:
        path: Path of the page; its folder is created if necessary.
        scenes: At least one scene; predictions and ground truth are shown where a scene has them.
        classes: K names.
        title: Headline.
        subtitle: A line below the title.
        metrics: Results of ``InsSegMetric`` (without a prefix) for the table; NaN is shown as a
            dash.
        notes: Sentences for the foot of the page.
        score_thr: Initial position of the page's slider.
        max_points: Scans with more points are thinned at random, identically in every run, and
            the page mentions it. A point takes about 11 bytes before base64; three.js takes
            0.6 MB.

    Returns:
        The path of the page.

    Raises:
        ValueError: There is no scene, or the class of an object has no name.
    """
    if not scenes:
        raise ValueError('write_scene_page needs at least one scene, found none.')
    data = {
        'title': title,
        'subtitle': subtitle,
        'classes': list(classes),
        'classColors': instance_palette(len(classes)).tolist(),
        'scoreRamp': _score_ramp(),
        'scoreThr': score_thr,
        'cards': _cards(metrics or {}),
        'table': _table(metrics or {}, classes),
        'notes': list(notes),
        'scenes': [
            pack_scene(scene, num_classes=len(classes), max_points=max_points) for scene in scenes
        ],
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(title, data), encoding='utf-8')
    return path


def _page(title: str, data: Mapping[str, object]) -> str:
    """Fill the template with the title, the data, the scripts and three.js."""
    # "<" is escaped in the data; otherwise a name could end the script element.
    text = json.dumps(data, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    parts = {
        'title': html.escape(title),
        'css': _asset('page.css'),
        'data': text,
        'js': '\n'.join(_asset(name) for name in _SCRIPTS),
        'three_licence': html.escape(_asset('vendor/three/LICENSE.txt')),
        **{key: _compressed(f'vendor/three/{name}') for key, name in _LIBRARY.items()},
    }
    return re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], _asset('template.html'))


def _asset(name: str) -> str:
    return (resources.files(__package__) / 'page' / name).read_text(encoding='utf-8')


@lru_cache
def _compressed(name: str) -> str:
    """Encode a script as base64 of gzip, with the same bytes in every run."""
    packed = gzip.compress(_asset(name).encode('utf-8'), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode('ascii')


def _score_ramp() -> list[list[int]]:
    """Return colours of scores from 0 to 1, from dark to light, readable with any colour vision."""
    stops = colormaps['viridis'](np.linspace(0, 1, 9))[:, :3]
    return np.round(255 * stops).astype(int).tolist()


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


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _percent(value: float) -> str:
    return '–' if math.isnan(value) else f'{100 * value:.1f}'
