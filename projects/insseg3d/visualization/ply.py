# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""PLY files of scans coloured by object, for MeshLab, CloudCompare and other programs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from ..structures import InstanceMap
from .palette import object_colors, shaded_colors
from .scene import Scene

_PROPERTIES = [
    ('red', 'u1'),
    ('green', 'u1'),
    ('blue', 'u1'),
    ('instance', 'i4'),
    ('class', 'i4'),
    ('score', 'f4'),
]


def write_instance_ply(
    path: str | Path,
    scene: Scene,
    *,
    objects: InstanceMap | None = None,
    classes: Sequence[str] = (),
) -> Path:
    """Write a scan as a binary PLY cloud, coloured by object.

    Points keep their order. Vertex properties: x y z (float; double if the coordinates have more
    digits), red green blue (uchar), instance and class (int, -1 for none), score (float, 0 for
    none). Comments such as ``class 3 chair`` name the classes.

    Args:
        path: Path of the file; its folder is created if necessary.
        scene: The scan.
        objects: Objects to write; by default the scene's prediction.
        classes: K names for the comments.

    Raises:
        ValueError: There are neither objects nor a prediction.
    """
    objects = scene.pred if objects is None else objects
    if objects is None:
        raise ValueError(
            f'{scene.name}: nothing to write, as the scene has no prediction. Pass objects=….'
        )
    colors, _ = object_colors(Scene(scene.name, scene.coords, scene.rgb, pred=objects))
    exact = np.array_equal(scene.coords.astype(np.float32), scene.coords, equal_nan=True)
    fields = [(axis, 'f4' if exact else 'f8') for axis in 'xyz']
    vertex = np.empty(len(scene.coords), dtype=[*fields, *_PROPERTIES])
    for axis, name in enumerate('xyz'):
        vertex[name] = scene.coords[:, axis]
    painted = shaded_colors(objects, colors, scene.rgb)
    for channel, name in enumerate(('red', 'green', 'blue')):
        vertex[name] = painted[:, channel]
    scores = np.zeros(len(objects.labels)) if objects.scores is None else objects.scores
    vertex['instance'] = objects.instance
    vertex['class'] = np.append(objects.labels, -1)[objects.instance]
    vertex['score'] = np.append(scores, 0.0)[objects.instance]
    comments = [f'class {index} {name}' for index, name in enumerate(classes)]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    PlyData(
        [PlyElement.describe(vertex, 'vertex')], text=False, byte_order='<', comments=comments
    ).write(str(path))
    return path
