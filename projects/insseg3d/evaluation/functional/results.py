# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The results of a run: tables of counts in one small file, from which it can be scored again."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from .tables import SceneTable

_FORMAT = 1
_PER_PRED = ('pred_labels', 'pred_scores', 'pred_sizes', 'pred_void')
_PER_GT = ('gt_labels', 'gt_sizes')


@dataclass(frozen=True)
class SceneResult:
    """The tables of a scene.

    Attributes:
        scene: Name of the scene.
        overlap: Table of the masks as predicted; they may overlap.
        partition: Table of the masks painted into a partition, or None.
    """

    scene: str
    overlap: SceneTable
    partition: SceneTable | None = None


@dataclass(frozen=True)
class RunResults:
    """The results of a run.

    Attributes:
        classes: Names of the K classes.
        min_points: Objects and predictions of fewer points are not scored.
        scenes: One entry per scene, with different names.
    """

    classes: tuple[str, ...]
    min_points: int
    scenes: list[SceneResult]

    def tables(self) -> list[SceneTable]:
        """Return the tables of the masks as predicted."""
        return [scene.overlap for scene in self.scenes]

    def parts(self) -> list[SceneTable]:
        """Return the tables of the painted masks.

        Raises:
            ValueError: The run has no such tables.
        """
        if any(scene.partition is None for scene in self.scenes):
            raise ValueError(
                'these results hold no painted masks; expected those of a run with '
                'CoverageInsSegMetric. Test again with it as test_evaluator'
            )
        return [scene.partition for scene in self.scenes]


def save_results(path: str | Path, run: RunResults) -> None:
    """Write a run to an ``.npz`` file; its folder is created if necessary."""
    partitions = [scene.partition for scene in run.scenes]
    arrays = {
        'format': np.array(_FORMAT),
        'classes': np.array(run.classes, dtype=np.str_),
        'min_points': np.array(run.min_points),
        'scenes': np.array([scene.scene for scene in run.scenes], dtype=np.str_),
        'has_parts': np.array([table is not None for table in partitions], dtype=bool),
    }
    # The keys of the file are older than the names of the fields; old files must stay readable.
    arrays.update(_packed('masks', run.tables()))
    arrays.update(_packed('parts', [table for table in partitions if table is not None]))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('wb') as file:
        np.savez_compressed(file, **arrays)


def _packed(name: str, tables: Sequence[SceneTable]) -> dict[str, np.ndarray]:
    """Pack tables into one array per field, and one array of the numbers of rows and columns."""
    arrays = {
        f'{name}.{field.name}': np.concatenate(
            [np.zeros(0), *(getattr(table, field.name).ravel() for table in tables)]
        ).astype(np.float64 if field.name == 'pred_scores' else np.int64)
        for field in fields(SceneTable)
    }
    shapes = [table.intersections.shape for table in tables]
    arrays[f'{name}.shapes'] = np.array(shapes, dtype=np.int64).reshape(len(tables), 2)
    return arrays


def load_results(path: str | Path) -> RunResults:
    """Read a file of :func:`save_results`.

    Raises:
        ValueError: The file is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            # numpy returns members that are not arrays as bytes.
            arrays = {key: value for key, value in file.items() if isinstance(value, np.ndarray)}
        if int(arrays['format']) != _FORMAT:
            raise ValueError(f'format {int(arrays["format"])}')
        classes = _of_type(arrays, 'classes', 'U')
        names, has_parts = _of_type(arrays, 'scenes', 'U'), _of_type(arrays, 'has_parts', 'b')
        masks = _unpacked('masks', arrays, len(classes))
        parts = _unpacked('parts', arrays, len(classes))
        if not len(names) == len(has_parts) == len(masks) or has_parts.sum() != len(parts):
            raise ValueError(f'{len(names)} scenes, {len(masks)} and {len(parts)} tables')
        min_points = int(arrays['min_points'])
        if arrays['min_points'].dtype.kind not in 'iu' or min_points < 0:
            raise ValueError(f'min_points {min_points}')
        rest = iter(parts)
        scenes = [
            SceneResult(str(name), table, next(rest) if has else None)
            for name, table, has in zip(names, masks, has_parts)
        ]
        return RunResults(tuple(map(str, classes)), min_points, scenes)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f'{path}: not the results of a run ({_in_short(error)}); expected the .npz file that '
            'InsSegMetric(results_file=…) or tools/evaluate.py --results writes'
        ) from error


def _in_short(error: Exception) -> str:
    return ' '.join(str(error).split())[:160]


def _of_type(arrays: dict[str, np.ndarray], key: str, kind: str) -> np.ndarray:
    """Return a one-dimensional array of a numpy kind.

    Raises:
        ValueError: The array has another kind or more dimensions.
    """
    if arrays[key].dtype.kind != kind or arrays[key].ndim != 1:
        raise ValueError(f'{key}: {arrays[key].dtype} of shape {arrays[key].shape}')
    return arrays[key]


def _unpacked(name: str, arrays: dict[str, np.ndarray], num_classes: int) -> list[SceneTable]:
    shapes = arrays[f'{name}.shapes']
    if shapes.dtype.kind != 'i' or shapes.ndim != 2 or shapes.shape[1] != 2 or (shapes < 0).any():
        raise ValueError(f'{name}.shapes: {shapes.dtype} of shape {shapes.shape}')
    rows, columns = shapes.astype(object).T  # Python integers, whose products never overflow
    parts = {}
    for field in fields(SceneTable):
        key = f'{name}.{field.name}'
        sizes = (
            rows
            if field.name in _PER_PRED
            else (columns if field.name in _PER_GT else rows * columns)
        )
        values = _of_type(arrays, key, 'f' if field.name == 'pred_scores' else 'i')
        if len(values) != sum(sizes):
            raise ValueError(f'{key}: {len(values)} values, not {sum(sizes)}')
        parts[field.name] = np.split(values, np.cumsum(sizes)[:-1].astype(np.int64))
    tables = []
    for k, shape in enumerate(shapes):
        table = {key: values[k] for key, values in parts.items()}
        table['intersections'] = table['intersections'].reshape(shape)
        if not _can_be(table, num_classes):
            raise ValueError(f'{name}: counts that contradict each other')
        table['intersections'] = table['intersections'].astype(np.int32)
        tables.append(SceneTable(**table))
    return tables


def _can_be(table: dict[str, np.ndarray], num_classes: int) -> bool:
    """Tell whether these counts can belong to any masks and objects."""
    sizes, shared = table['pred_sizes'], table['intersections']
    counts = (sizes, table['pred_void'], table['gt_sizes'], shared)
    return bool(
        all(((0 <= count) & (count < 2**31)).all() for count in counts)
        and (shared <= table['gt_sizes']).all()
        and (shared.sum(axis=1) + table['pred_void'] == sizes).all()
        and (0 <= table['gt_labels']).all()
        and (table['gt_labels'] < num_classes).all()
        and np.isfinite(table['pred_scores']).all()
    )


def merge_results(runs: Sequence[RunResults]) -> RunResults:
    """Merge the scenes of several runs, for example of six folds or two processes.

    Raises:
        ValueError: There are no runs, their classes or ``min_points`` differ, or a scene occurs
            twice.
    """
    if not runs:
        raise ValueError('no runs to merge')
    seen: set[str] = set()
    for run in runs:
        if (run.classes, run.min_points) != (runs[0].classes, runs[0].min_points):
            raise ValueError(
                f'runs with different classes or min_points cannot be merged: '
                f'{runs[0].classes[:3]}…, {runs[0].min_points} and {run.classes[:3]}…, '
                f'{run.min_points}'
            )
        names = [scene.scene for scene in run.scenes]
        twice = sorted(seen & set(names)) or sorted(n for n in set(names) if names.count(n) > 1)
        if twice:
            raise ValueError(f'{twice[:3]} occur twice; every scene may be scored once')
        seen.update(names)
    return RunResults(
        runs[0].classes, runs[0].min_points, [scene for run in runs for scene in run.scenes]
    )
