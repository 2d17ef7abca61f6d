# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Facts about scenes, recorded on their way through the pipeline of their dataset."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from insseg_scans.color_range import find_color_range, is_one_color
from insseg_scans.coordinate_steps import regular_steps
from insseg_scans.upright import up_scores

_NUM_PROBES = 1000  # points at which spacing and normals are measured
_MAX_TREE = 500_000  # points that are searched for neighbours
_NUM_NEIGHBORS = 12
_ALONG_AXIS = np.cos(np.deg2rad(8))


class Objects(NamedTuple):
    """The annotated objects of a scene that belong to a class of the dataset, ``(G,)`` each.

    Attributes:
        labels: Class of most of the points.
        num_points: Number of points.
        radius: Mean distance of the points from their mean, in the unit of the file.
        num_classes: Number of classes among the points.
    """

    labels: np.ndarray
    num_points: np.ndarray
    radius: np.ndarray
    num_classes: np.ndarray


class SceneFacts(NamedTuple):
    """Facts about one scene. Lengths are in the unit of the file, before any transform.

    Attributes:
        scene: File of the points.
        error: Error that stopped the pipeline, or None. Facts after it are None or 0.
        num_points: Points in the file.
        low: Smallest x, y, z.
        high: Largest x, y, z.
        spacing: Median distance of a point to the nearest one in another place.
        duplicates: Share of points with another one in the same place.
        upright: Share of surface that faces along x, along y, and along z.
        up: Score of each direction; see :func:`~insseg_scans.upright.up_scores`.
        steps: Distance of the planes that hold all points along x, y, z; 0 if there are none.
        colors: Smallest and largest value of the three colours, or None without colours.
        one_color: Whether all points have the same colour.
        fractions: Whether the colours seem to be fractions of 1, though some may be larger.
        semantic_points: Number of points by stored semantic id; None without annotation.
        unlabelled: Share of points without an instance of a class.
        objects: Annotated objects; None without annotation.
        num_voxels: Voxels of the sample after the pipeline, or None.
        num_kept: Points after the pipeline.
    """

    scene: str
    error: str | None = None
    num_points: int = 0
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    spacing: float = np.nan
    duplicates: float = 0.0
    upright: np.ndarray | None = None
    up: np.ndarray | None = None
    steps: np.ndarray | None = None
    colors: tuple[float, float] | None = None
    one_color: bool = False
    fractions: bool = False
    semantic_points: dict[int, int] | None = None
    unlabelled: float = np.nan
    objects: Objects | None = None
    num_voxels: int | None = None
    num_kept: int = 0

    @property
    def extent(self) -> np.ndarray:
        """Size along x, y, z; NaN where the points were not read."""
        return np.full(3, np.nan) if self.low is None else self.high - self.low


class _DrawnIndex(int):
    """A scene number with a fixed draw, so that augmentations are the same each time."""

    @property
    def draw(self) -> tuple[int, int]:
        return 0, int(self)


class _Recorder:
    """A pipeline that keeps the first value of each key, also inside nested pipelines."""

    def __init__(self, transforms: Sequence[Callable], seen: dict[str, Any]) -> None:
        self.transforms = list(transforms)
        self.seen = seen
        for transform in self.transforms:
            nested = getattr(getattr(transform, 'transforms', None), 'transforms', None)
            if nested is not None:
                transform.transforms = _Recorder(nested, seen)

    def __call__(self, results: dict) -> dict | None:
        for transform in self.transforms:
            results = transform(results)
            if results is None:
                return None
            for key in ('points', 'pts_instance_mask', 'pts_semantic_mask', 'seg_label_mapping'):
                if key in results and key not in self.seen:
                    self.seen[key] = _copied(results[key])
        return results


def _copied(value: Any) -> Any:
    return value.clone() if hasattr(value, 'clone') else value.copy()


def gather_facts(
    dataset: Any, *, workers: int = 1, limit: int | None = None
) -> Iterator[SceneFacts]:
    """Send the scenes of a dataset through its pipeline and yield their facts, in order.

    Args:
        dataset: Dataset of this project, or of mmdetection3d with the same kind of results, or
            several of them joined. Their pipelines are replaced by recording ones: use a dataset
            that was built for this purpose.
        workers: Processes.
        limit: Number of scenes, spread evenly; None: all.
    """
    datasets, seen = _parts(dataset), {}
    for part in datasets:
        part.full_init()
        part.pipeline = _Recorder(part.pipeline.transforms, seen)
    scenes = [(k, number) for k, part in enumerate(datasets) for number in range(len(part))]
    if limit is not None and limit < len(scenes):
        chosen = np.linspace(0, len(scenes) - 1, limit).round().astype(int).tolist()
        scenes = [scenes[k] for k in chosen]
    if workers <= 1 or sys.platform != 'linux':
        yield from (_look(datasets[k], seen, number) for k, number in scenes)
        return
    with multiprocessing.get_context('fork').Pool(
        workers, initializer=_set_shared, initargs=(datasets, seen)
    ) as pool:
        yield from pool.imap(_look_shared, scenes)


def _parts(dataset: Any) -> list[Any]:
    """Return the datasets that mmengine's wrappers repeat or join."""
    while hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    if hasattr(dataset, 'datasets'):
        return [part for joined in dataset.datasets for part in _parts(joined)]
    return [dataset]


_shared: tuple[list[Any], dict[str, Any]]


def _set_shared(datasets: list[Any], seen: dict[str, Any]) -> None:
    global _shared
    _shared = datasets, seen


def _look_shared(scene: tuple[int, int]) -> SceneFacts:
    datasets, seen = _shared
    return _look(datasets[scene[0]], seen, scene[1])


def _look(dataset: Any, seen: dict[str, Any], number: int) -> SceneFacts:
    """Send one scene through the pipeline."""
    seen.clear()
    info = dataset.get_data_info(number)
    facts = SceneFacts(str(info.get('lidar_path') or info['lidar_points']['lidar_path']))
    error, packed = None, None
    try:
        packed = dataset.prepare_data(_DrawnIndex(number))
        if packed is None:
            error = 'the pipeline dropped the scene'
    except Exception as caught:  # whatever it is, it would stop a training
        error = f'{type(caught).__name__}: {caught}'
    facts = facts._replace(error=error)
    if 'points' in seen:
        facts = facts._replace(**_points_facts(seen['points'].tensor.numpy()))
        if 'pts_instance_mask' in seen and 'pts_semantic_mask' in seen:
            facts = facts._replace(**_annotation_facts(seen, facts.num_points))
    if packed is not None:
        voxels = getattr(packed['data_samples'], 'voxels', None)
        facts = facts._replace(
            num_kept=len(packed['inputs']['points']),
            num_voxels=None if voxels is None else len(voxels.coors),
        )
    return facts


def _points_facts(points: np.ndarray) -> dict[str, Any]:
    """Return the facts that come from points, ``(P, 3 or more)``, alone."""
    coords = points[:, :3].astype(np.float64)
    facts: dict[str, Any] = {'num_points': len(points)}
    if points.shape[1] >= 6 and len(points):
        facts.update(_color_facts(points[:, 3:6]))
    coords = coords[np.isfinite(coords).all(axis=1)]
    if len(coords) == 0:
        return facts
    facts.update(low=coords.min(axis=0), high=coords.max(axis=0))
    facts.update(up=up_scores(coords), steps=regular_steps(coords))
    facts.update(_surface_facts(coords))
    return facts


def _color_facts(colors: np.ndarray) -> dict[str, Any]:
    """Return extremes and range of colours, ``(P, 3)``."""
    found = find_color_range(colors)
    return dict(
        colors=(float(colors.min()), float(colors.max())),
        one_color=is_one_color(colors),
        fractions=found is not None and found.most == 1,
    )


def _surface_facts(coords: np.ndarray) -> dict[str, Any]:
    """Return spacing, duplicates and orientation of the surface, measured at some points."""
    rng = np.random.default_rng(0)
    if len(coords) > _MAX_TREE:
        # A piece of the scene rather than every n-th point, which would widen the spacing.
        centre = coords[rng.integers(len(coords))]
        distance = np.square(coords - centre).sum(axis=1)
        coords = coords[np.argpartition(distance, _MAX_TREE)[:_MAX_TREE]]
    probes = coords[rng.permutation(len(coords))[:_NUM_PROBES]]
    distances, index = cKDTree(coords).query(probes, k=_NUM_NEIGHBORS)
    others = np.where(distances > 0, distances, np.inf)[:, 1:].min(axis=1)
    facts = {'duplicates': float((distances[:, 1] == 0).mean())}
    others = others[np.isfinite(others)]
    if len(others):
        facts['spacing'] = float(np.median(others))
    is_full = np.isfinite(distances).all(axis=1)
    if is_full.any():
        around = coords[index[is_full]]
        around -= around.mean(axis=1, keepdims=True)
        covariance = np.einsum('pki,pkj->pij', around, around)
        normals = np.abs(np.linalg.eigh(covariance)[1][:, :, 0])
        facts['upright'] = (normals > _ALONG_AXIS).mean(axis=0)
    return facts


def _annotation_facts(seen: dict[str, Any], num_points: int) -> dict[str, Any]:
    """Return the facts that come from the stored annotation."""
    semantic = np.asarray(seen['pts_semantic_mask']).astype(np.int64)
    instance = np.asarray(seen['pts_instance_mask']).astype(np.int64)
    ids, counts = np.unique(semantic, return_counts=True)
    facts = {'semantic_points': dict(zip(ids.tolist(), counts.tolist()))}
    table = seen.get('seg_label_mapping')
    if table is None or not len(semantic) == len(instance) == num_points:
        return facts
    num_classes = int(table.max())
    is_known = (semantic >= 0) & (semantic < len(table))
    labels = np.where(is_known, table[np.where(is_known, semantic, 0)], num_classes)
    inside = (instance > 0) & (labels < num_classes)
    facts['unlabelled'] = float(1 - inside.mean()) if num_points else np.nan
    coords = seen['points'].tensor.numpy()[inside, :3].astype(np.float64)
    facts['objects'] = _objects(coords, instance[inside], labels[inside], num_classes)
    return facts


def _objects(
    coords: np.ndarray, instance: np.ndarray, labels: np.ndarray, num_classes: int
) -> Objects:
    """Sum up the points of every object."""
    index = np.unique(instance, return_inverse=True)[1]
    num_objects = int(index.max(initial=-1)) + 1
    num_points = np.bincount(index, minlength=num_objects)
    centres = (
        np.stack([np.bincount(index, coords[:, axis], num_objects) for axis in range(3)], axis=1)
        / num_points[:, None]
    )
    distances = np.linalg.norm(coords - centres[index], axis=1)
    votes = np.bincount(index * num_classes + labels, minlength=num_objects * num_classes)
    votes = votes.reshape(num_objects, num_classes)
    return Objects(
        labels=votes.argmax(axis=1) if num_objects else np.zeros(0, np.int64),
        num_points=num_points,
        radius=np.bincount(index, distances, num_objects) / num_points,
        num_classes=(votes > 0).sum(axis=1),
    )
