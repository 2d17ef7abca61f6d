# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Raw files in the layout of ScanNet v2."""

import colorsys
import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..labels.categories import CATEGORIES
from ..room import Room

_TSV_COLUMNS = (
    'id',
    'raw_category',
    'category',
    'count',
    'nyu40id',
    'eigen13id',
    'nyuClass',
    'nyu40class',
    'eigen13class',
    'ModelNet40',
    'ModelNet10',
    'ShapeNetCore55',
    'synsetoffset',
    'wnsynsetid',
    'wnsynsetkey',
    'mpcat40',
    'mpcat40index',
)
_SEGMENTATION = {
    'kThresh': '0.0001',
    'segMinVerts': '20',
    'minPoints': '750',
    'maxPoints': '30000',
    'thinThresh': '0.05',
    'flatThresh': '0.001',
    'minLength': '0.02',
    'maxLength': '1',
}
_CAMERA = {
    'colorHeight': '968',
    'colorToDepthExtrinsics': ' '.join(
        [
            '1.000000',
            *['0.000000'] * 4,
            '1.000000',
            *['0.000000'] * 4,
            '1.000000',
            *['0.000000'] * 4,
            '1.000000',
        ]
    ),
    'colorWidth': '1296',
    'depthHeight': '480',
    'depthWidth': '640',
    'fx_color': '1170.187988',
    'fx_depth': '571.623718',
    'fy_color': '1170.187988',
    'fy_depth': '571.623718',
    'mx_color': '647.750000',
    'mx_depth': '319.500000',
    'my_color': '483.750000',
    'my_depth': '239.500000',
}


def write_scene(room: Room, folder: Path, *, annotated: bool = True) -> None:
    """Write the folder of one scan, completely or not at all.

    Args:
        room: The room.
        folder: ``…/scans/<scene>``, which must not exist; its name is the name of the scene.
        annotated: Whether to write labels, over-segments and objects (False for test scenes).

    Raises:
        OSError: If the disk is full or the folder is not writable; nothing is left behind.
    """
    scene = folder.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f'.{scene}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        _write_mesh(partial / f'{scene}_vh_clean_2.ply', room, 'VCGLIB generated')
        _write_text(partial / f'{scene}.txt', _metadata(room, annotated))
        if annotated:
            labels, groups = _labels_and_groups(room)
            _write_mesh(partial / f'{scene}_vh_clean_2.labels.ply', room, 'MLIB generated', labels)
            name = f'{scene}_vh_clean_2.0.010000.segs.json'
            _write_text(
                partial / name,
                json.dumps(
                    {
                        'params': _SEGMENTATION,
                        'sceneId': scene,
                        'segIndices': room.segments.tolist(),
                    }
                ),
            )
            _write_text(
                partial / f'{scene}.aggregation.json',
                json.dumps(
                    {
                        'sceneId': f'scannet.{scene}',
                        'appId': 'Aggregator.v2',
                        'segGroups': groups,
                        'segmentsFile': f'scannet.{name}',
                    }
                ),
            )
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_tables(root: Path, splits: dict[str, Sequence[str]]) -> None:
    """Write the label table and the lists of scenes of a dataset.

    Args:
        root: Folder that contains ``scans``.
        splits: Names of the scenes of each split (train, val, test).
    """
    rows = ['\t'.join(_TSV_COLUMNS)]
    for raw, category in sorted(CATEGORIES.items()):
        cells = dict.fromkeys(_TSV_COLUMNS, '')
        cells.update(
            id=category.scannet_id,
            raw_category=raw,
            category=raw,
            count=1,
            nyu40id=category.nyu40_id,
            nyuClass=raw,
            nyu40class=category.nyu40_name,
        )
        rows.append('\t'.join(str(cells[column]) for column in _TSV_COLUMNS))
    _write_text(root / 'scannetv2-labels.combined.tsv', '\n'.join(rows) + '\n')
    for split, scenes in splits.items():
        _write_text(root / f'scannetv2_{split}.txt', ''.join(f'{s}\n' for s in scenes))


def read_table(path: Path) -> dict[str, int]:
    """Read the NYU40 id of each raw category from a label table."""
    with open(path, encoding='utf-8', newline='') as file:
        return {
            row['raw_category']: int(row['nyu40id']) for row in csv.DictReader(file, delimiter='\t')
        }


def _labels_and_groups(room: Room) -> tuple[np.ndarray, list[dict]]:
    """Return the NYU40 label (P,) uint16 of each vertex, and the groups as listed in the file."""
    lookup = np.zeros(int(room.segments.max()) + 1 if len(room.segments) else 1, np.uint16)
    groups = []
    for k, (label, segments) in enumerate(room.groups):
        lookup[segments] = CATEGORIES[label].nyu40_id
        groups.append({'id': k, 'objectId': k, 'segments': segments.tolist(), 'label': label})
    return lookup[room.segments], groups


def _write_mesh(path: Path, room: Room, comment: str, labels: np.ndarray | None = None) -> None:
    """Write a binary PLY mesh, coloured by label if there are labels."""
    fields = [
        ('x', '<f4'),
        ('y', '<f4'),
        ('z', '<f4'),
        ('red', 'u1'),
        ('green', 'u1'),
        ('blue', 'u1'),
        ('alpha', 'u1'),
    ]
    colors = room.colors
    lines = [
        'ply',
        'format binary_little_endian 1.0',
        f'comment {comment}',
        f'element vertex {len(room.points)}',
    ]
    lines += [f'property float {name}' for name, _ in fields[:3]]
    lines += [f'property uchar {name}' for name, _ in fields[3:]]
    if labels is not None:
        fields.append(('label', '<u2'))
        lines.append('property ushort label')
        palette = np.array([colorsys.hsv_to_rgb((0.618 * k) % 1.0, 0.5, 0.9) for k in range(41)])
        palette[0] = 0.0
        colors = (255 * palette[labels]).astype(np.uint8)
    lines += [
        f'element face {len(room.faces)}',
        'property list uchar int vertex_indices',
        'end_header',
        '',
    ]
    vertices = np.empty(len(room.points), dtype=fields)
    for k, name in enumerate('xyz'):
        vertices[name] = room.points[:, k]
    for k, name in enumerate(('red', 'green', 'blue')):
        vertices[name] = colors[:, k]
    vertices['alpha'] = 255
    if labels is not None:
        vertices['label'] = labels
    faces = np.empty(len(room.faces), dtype=[('count', 'u1'), ('corners', '<i4', 3)])
    faces['count'], faces['corners'] = 3, room.faces
    with open(path, 'wb') as file:
        file.write('\n'.join(lines).encode('ascii'))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())


def _metadata(room: Room, annotated: bool) -> str:
    """Return the lines of ``<scene>.txt``; without annotation, the alignment is left out.

    Some test scans of ScanNet lack the alignment too.
    """
    lines = {}
    if annotated:
        lines['axisAlignment'] = ' '.join(f'{x:.6f}' for x in room.axis_alignment.ravel()) + ' '
    lines.update(_CAMERA)
    frames = 1000 + len(room.points) % 1500
    lines.update(
        numColorFrames=frames,
        numDepthFrames=frames,
        numIMUmeasurements=2 * frames,
        sceneType=room.scene_type,
    )
    return ''.join(f'{key} = {value}\n' for key, value in lines.items())


def _write_text(path: Path, text: str) -> None:
    with open(path, 'w', encoding='utf-8', newline='\n') as file:
        file.write(text)
