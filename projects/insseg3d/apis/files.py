# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What is written of a scan's objects: point cloud, tables, masks, pages."""

import base64
import csv
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from ..scans.errors import visible
from ..scans.folders import stem_of
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
    """What became of a scan.

    Attributes:
        scan: as the user named it.
        folder: name of its folder of results.
        state: 'done', 'kept' (done before) or 'failed'.
        message: of an error; else what was found, in short.
    """

    scan: str
    folder: str
    state: str
    message: str


def original_scene(result: InstanceResult) -> Scene:
    """The scan as it came, for a file of all its points."""
    return Scene(_title(result), result.coords, result.rgb, pred=result.instances)


def upright_scene(result: InstanceResult) -> Scene:
    """The scan as people look at it: metres, z up, from its corner on, without lost points."""
    finite = np.isfinite(result.coords).all(axis=1)
    coords = result.coords[finite]
    xyz = result.scale * ((coords - np.floor(coords.min(axis=0))) @ result.turn.T)
    return Scene(_title(result), xyz, result.rgb[finite], pred=result.instances.take(finite))


def write_files(folder: Path, result: InstanceResult, made_from: Mapping[str, Any]) -> None:
    """Write everything that belongs to one scan; the record last, which says that all is there.

    Args:
        folder: made if need be.
        result: of the scan.
        made_from: kept in the record, see :func:`is_done`.
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
    """Masks with eight points a byte, and what is needed to unpack them.

    ``np.unpackbits(file['masks'], axis=1, count=file['num_points']).astype(bool)`` are the
    ``(Q, P)`` masks.
    """
    packed = np.empty((len(result), -(-len(result.coords) // 8)), dtype=np.uint8)
    for index, row in enumerate(packed):  # not result.masks, eight times as large
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
    """The summary of a scan that was done before from the same things; None if it was not."""
    if not all((folder / name).is_file() for name in _FILES):
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding='utf-8'))
        return record['summary'] if record['made_from'] == dict(made_from) else None
    except (ValueError, KeyError, TypeError):
        return None


def summary(result: InstanceResult) -> str:
    """A result in one line."""
    return (
        f'{len(result.coords):,} points, {len(result)} objects; {result.num_small} of fewer '
        f'than {result.min_voxels} voxels left out'
    )


def write_index(path: Path, outcomes: Sequence[Outcome], title: str) -> None:
    """A page with a picture of every scan, and with what went wrong; needs nothing else."""
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
    except OSError:  # it went away meanwhile; the index is that of the others too
        return b''


def _title(result: InstanceResult) -> str:
    return visible(stem_of(Path(result.name)))
