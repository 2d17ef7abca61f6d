# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Ground truth in the benchmark's text format: ``id · 1000 + instance``, one line per point.

Source: ScanNet, BenchmarkScripts/3d_helpers/export_train_mesh_for_evaluation.py
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .files import ExchangeError, LabelSet, Source, integer_lines

MOST_INSTANCES = 999


class Truth(NamedTuple):
    """The ground truth of a scene.

    Attributes:
        instance: ``(P,)`` int64, a different number for each object; −1 = none.
        semantic: ``(P,)`` int64 class index, K = no class of the label set.
    """

    instance: np.ndarray
    semantic: np.ndarray


def truth_ids(instance: np.ndarray, semantic: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Encode the ground truth of a scene as numbers.

    Args:
        instance: ``(P,)``, negative = none.
        semantic: ``(P,)`` class index, K = none.
        label_set: Ids of the classes.

    Returns:
        ``(P,)`` int64: the id of the class times 1000, plus the number of the object, counted
        from 1 over all classes; 0 for points without an object of a class.

    Raises:
        ValueError: There are more than 999 objects, the limit of the format.
    """
    inside = (instance >= 0) & (semantic < len(label_set.ids))
    numbers = np.unique(instance[inside], return_inverse=True)[1]
    if numbers.max(initial=-1) >= MOST_INSTANCES:
        raise ValueError(
            f'{numbers.max() + 1} objects; the text format holds at most {MOST_INSTANCES} per '
            'scene. Score this scene through the config instead'
        )
    ids = np.zeros(len(instance), dtype=np.int64)
    ids[inside] = np.asarray(label_set.ids)[semantic[inside]] * 1000 + numbers + 1
    return ids


def write_truth(path: Path, ids: np.ndarray) -> None:
    """Write the numbers of :func:`truth_ids`, one per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'\n'.join(ids.astype(np.bytes_).tolist()) + b'\n' if len(ids) else b'')


def read_truth(source: Source, scene: str, label_set: LabelSet) -> Truth:
    """Read the ground truth of a scene.

    Args:
        source: Folder or archive with ``<scene>.txt``.
        scene: Name of the scene.
        label_set: Ids of the classes.

    Raises:
        ExchangeError: There is no such file, or a line is not a number ≥ 0.
    """
    name = f'{scene}.txt'
    try:
        content = source.read(name)
    except KeyError as error:
        raise ExchangeError(
            f'{source.path}/{name}', f'cannot be read ({error})', 'a readable file'
        ) from None
    ids = integer_lines(content, f'{source.path}/{name}')
    if (ids < 0).any():
        number = int(np.argmax(ids < 0))
        raise ExchangeError(
            f'{source.path}/{name}:{number + 1}', str(ids[number]), 'a number of 0 or more'
        )
    semantic = label_set.labels(ids // 1000)
    return Truth(np.where(semantic < len(label_set.ids), ids, -1), semantic)
