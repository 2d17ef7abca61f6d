# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files of a scan's results: point cloud, tables, masks and pages."""

import base64
import csv
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from insseg_scans.errors import visible
from insseg_scans.folders import stem_of

from ..visualization import (
    Scene,
    render_views,
    save_png,
    write_instance_ply,
    write_scene_page,
)
from .result import TABLE_COLUMNS, InstanceResult, flat

RECORD = 'objects.json'
_FILES = ('labelled.ply', 'objects.csv', 'masks.npz', 'view.html', 'thumbnail.png', RECORD)
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 78rem; padding: 0 1rem }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem;
  padding: 0; list-style: none }
li { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .6rem;
  overflow: hidden }
img { width: 100%; display: block }
div { padding: .6rem .9rem .8rem; overflow-wrap: anywhere }
h2 { font-size: 1rem; margin: 0 0 .2rem }
p { margin: .2rem 0; font-size: .9rem }
.failed { border-left: .4rem solid #d55e00 }
"""


class Outcome(NamedTuple):
    """The outcome of one scan.

    Attributes:
        scan: Name of the scan, as the user gave it.
        folder: Name of its folder of results.
        state: 'done', 'kept' (done before) or 'failed'.
        message: Message of the error if the scan failed, otherwise a short summary.
    """

    scan: str
    folder: str
    state: str
    message: str


def original_scene(result: InstanceResult) -> Scene:
    """Return the scan as it was given, for a file of all its points."""
    return Scene(_title(result), result.coords, result.rgb, pred=result.instances)


def upright_scene(result: InstanceResult) -> Scene:
    """Return the scan for display: metres, z up, near the origin, finite points only."""
    finite = np.isfinite(result.coords).all(axis=1)
    coords = result.coords[finite]
    coords = result.scale * ((coords - np.floor(coords.min(axis=0))) @ result.turn.T)
    return Scene(_title(result), coords, result.rgb[finite], pred=result.instances.take(finite))


def write_files(folder: Path, result: InstanceResult, made_from: Mapping[str, Any]) -> None:
    """Write all files of one scan. The record is written last and marks the folder as complete.

    Args:
        folder: Folder of the files; created if necessary.
        result: Result of the scan.
        made_from: Values to keep in the record, see :func:`is_done`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    write_instance_ply(folder / 'labelled.ply', original_scene(result), classes=result.classes)
    rows = result.objects()
    with open(folder / 'objects.csv', 'w', newline='', encoding='utf-8') as file:
        table = csv.DictWriter(file, TABLE_COLUMNS)
        table.writeheader()
        table.writerows(map(flat, rows))
    write_masks(folder / 'masks.npz', result)
    scene = upright_scene(result)
    write_scene_page(
        folder / 'view.html',
        [scene],
        classes=result.classes,
        title=scene.name,
        subtitle=summary(result),
        notes=[str(remark) for remark in result.remarks],
    )
    views = render_views(scene, width=400, height=260, captions=False)
    save_png(folder / 'thumbnail.png', views[:, views.shape[1] // 2 :])
    record = {
        'scan': visible(result.name),
        'summary': summary(result),
        'num_points': len(result.coords),
        'metres_per_unit': result.scale,
        'up': result.up.tolist(),
        'remarks': [str(remark) for remark in result.remarks],
        'min_voxels': result.min_voxels,
        'left_out_as_small': result.num_small,
        'seconds_in_model': round(result.seconds, 3),
        'classes': list(result.classes),
        'objects': rows,
        'made_from': dict(made_from),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1, allow_nan=False), encoding='utf-8')


def write_masks(path: Path, result: InstanceResult) -> None:
    """Write masks with eight points per byte, and the data to unpack them.

    ``np.unpackbits(file['masks'], axis=1, count=file['num_points']).astype(bool)`` returns the
    ``(Q, P)`` masks.
    """
    packed = np.empty((len(result), -(-len(result.coords) // 8)), dtype=np.uint8)
    for index, row in enumerate(packed):  # result.masks would need eight times the memory
        row[:] = np.packbits(result.instance == index)
    np.savez_compressed(
        path,
        masks=packed,
        num_points=len(result.coords),
        labels=result.labels,
        scores=result.scores,
        names=np.array(result.names, dtype=str),
    )


def is_done(folder: Path, made_from: Mapping[str, Any]) -> str | None:
    """Return the summary of a scan that was already done from the same values, else None."""
    if not all((folder / name).is_file() for name in _FILES):
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding='utf-8'))
        return record['summary'] if record['made_from'] == dict(made_from) else None
    except (ValueError, KeyError, TypeError):
        return None


def summary(result: InstanceResult) -> str:
    """Summarise a result in one line."""
    return (
        f'{len(result.coords):,} points, {len(result)} objects; {result.num_small} of fewer '
        f'than {result.min_voxels} voxels left out'
    )


def write_index(path: Path, outcomes: Sequence[Outcome], title: str) -> None:
    """Write a self-contained page with a picture of every scan and the errors of failed ones."""
    cards = []
    for outcome in outcomes:
        name = html.escape(Path(outcome.scan).name)
        if outcome.state == 'failed':
            cards.append(
                f'<li class="failed"><div><h2>{name}</h2>'
                f'<p>failed: {html.escape(outcome.message)}</p></div></li>'
            )
            continue
        folder = html.escape(quote(outcome.folder), quote=True)
        picture = _picture(path.parent / outcome.folder / 'thumbnail.png')
        cards.append(
            f'<li><a href="{folder}/view.html"><img alt="objects of {name}" '
            f'src="data:image/png;base64,{picture.decode()}"></a><div><h2>{name}</h2>'
            f'<p>{html.escape(outcome.message)}</p><p>'
            + ' · '.join(
                f'<a href="{folder}/{file}">{file}</a>'
                for file in ('labelled.ply', 'objects.json', 'objects.csv', 'masks.npz')
            )
            + '</p></div></li>'
        )
    failed = sum(outcome.state == 'failed' for outcome in outcomes)
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>'
        f'<h1>{html.escape(title)}</h1><p>{len(outcomes) - failed} scans done, {failed} failed</p>'
        f'<ul>{"".join(cards)}</ul></body></html>',
        encoding='utf-8',
    )


def _picture(path: Path) -> bytes:
    try:
        return base64.b64encode(path.read_bytes())
    except OSError:  # removed meanwhile; the index still shows the other scans
        return b''


def _title(result: InstanceResult) -> str:
    return visible(stem_of(Path(result.name)))
