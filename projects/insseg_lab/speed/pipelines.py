# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time data pipelines transform by transform, and data loaders: ``benchmark.py data``."""

import argparse
import copy
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

from insseg3d.engine.command import load_config

from .scenes import add_scan_arguments, read_points

HELP = 'transforms of the data pipelines'

CELL, SUPERPOINT = 1.2, 0.25
"""Edges in metres of the cells that replace instances and superpoints in a timing."""


def write_scan(folder: Path, points: np.ndarray, config: Config) -> dict:
    """Write points as one prepared scene with labels, for timings.

    Instances and superpoints are cells of a grid, each instance with a class of the dataset;
    every eighth cell is unannotated. That costs what real labels of this number cost.

    Args:
        folder: Folder of the files.
        points: ``(P, 6)``.
        config: Config whose training dataset has the classes and ids.

    Returns:
        The input of the pipeline, without ``draw`` and ``eval_ann_info``.
    """
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    dataset = DATASETS.get(config.train_dataloader.dataset.type)
    class_ids = np.array(dataset.METAINFO['seg_valid_class_ids'])
    instance = np.where(cells(points, CELL) % 8 == 0, 0, cells(points, CELL))
    files = dict(
        points=np.asarray(points, np.float32),
        instance=instance.astype(np.int64),
        semantic=np.where(instance > 0, class_ids[instance % len(class_ids)], 0).astype(np.int64),
        superpoint=cells(points, SUPERPOINT).astype(np.int64),
    )
    for name, values in files.items():
        values.tofile(folder / f'{name}.bin')
    lidar_path = str(folder / 'points.bin')
    return dict(
        lidar_points=dict(lidar_path=lidar_path, num_pts_feats=6),
        lidar_path=lidar_path,
        num_pts_feats=6,
        pts_instance_mask_path=str(folder / 'instance.bin'),
        pts_semantic_mask_path=str(folder / 'semantic.bin'),
        super_pts_path=str(folder / 'superpoint.bin'),
        seg_label_mapping=dataset.get_seg_label_mapping(dataset, None),
    )


def cells(points: np.ndarray, size: float) -> np.ndarray:
    """Return the number of the occupied cubic cell of each point, ``(P,)``."""
    grid = np.floor((points[:, :3] - points[:, :3].min(0)) / size).astype(np.int64)
    return np.unique(np.ravel_multi_index(grid.T, grid.max(0) + 1), return_inverse=True)[1]


def build_pipeline(transforms: Sequence[dict]) -> dict[str, object]:
    """Build transforms by name, those inside ``IfAnnotated`` included."""
    built = [TRANSFORMS.build(transform) for transform in transforms]
    flat = []
    for transform in built:
        is_group = type(transform).__name__ == 'IfAnnotated'
        flat += transform.transforms.transforms if is_group else [transform]
    seen = Counter()
    named = {}
    for transform in flat:
        name = type(transform).__name__
        seen[name] += 1
        named[name if seen[name] == 1 else f'{name} ({seen[name]})'] = transform
    return named


def run_pipeline(
    pipeline: dict[str, object], info: dict, draw: int
) -> tuple[dict, dict[str, float]]:
    """Send one scene through a pipeline.

    Args:
        pipeline: Transforms from ``build_pipeline``.
        info: Scene from ``write_scan``.
        draw: Number of the draw, which determines the augmentation.

    Returns:
        The packed sample, and the seconds of each transform.
    """
    results = dict(copy.deepcopy(info), draw=(0, draw), eval_ann_info={})
    seconds = {}
    for name, transform in pipeline.items():
        start = time.perf_counter()
        results = transform(results)
        seconds[name] = time.perf_counter() - start
    return results, seconds


class _Visits(Dataset):
    """One scene, visited again and again."""

    def __init__(self, pipeline: dict[str, object], info: dict, length: int) -> None:
        self.pipeline, self.info, self.length = pipeline, info, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        return run_pipeline(self.pipeline, self.info, index)[0]


def loader_throughput(
    pipeline: dict[str, object], info: dict, *, workers: int, batch_size: int, batches: int
) -> float:
    """Return the scenes per second of a data loader whose processes run already.

    Args:
        pipeline: Transforms from ``build_pipeline``.
        info: Scene from ``write_scan``.
        workers: Processes; 0 loads in this one.
        batch_size: Scenes per batch.
        batches: Timed batches.
    """
    visits = _Visits(pipeline, info, batch_size * batches)
    loader = DataLoader(
        visits,
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=pseudo_collate,
        persistent_workers=workers > 0,
    )
    next(iter(loader))
    start = time.perf_counter()
    for _ in loader:
        pass
    return len(visits) / (time.perf_counter() - start)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        '--workers',
        type=int,
        nargs='*',
        default=[0, 2],
        help='also load with so many processes (default: 0 and 2; none: do not)',
    )
    parser.add_argument('--batches', type=int, default=6, help='batches that are loaded so')
    parser.add_argument('config')
    add_scan_arguments(parser, warm_up=1, threads=1)


def run(args: argparse.Namespace) -> dict:
    """Time both pipelines and the training loader, print and return the figures."""
    config, points = load_config(args.config), read_points(args)
    threads = torch.get_num_threads()
    report = dict(points=len(points), threads=threads, seconds={}, scenes_per_second={})
    with tempfile.TemporaryDirectory() as folder:
        info = write_scan(Path(folder), points, config)
        for name in ('train', 'test'):
            transforms = config[f'{name}_dataloader'].dataset.pipeline
            seconds = _median_seconds(transforms, info, repeat=args.repeat, warm_up=args.warm_up)
            report['seconds'][name] = seconds
            print(
                f'{name} pipeline, {len(points)} points, {threads} threads, '
                f'median of {args.repeat} runs'
            )
            for key, value in seconds.items():
                print(f'{key:30s} {value * 1000:10.1f} ms')
        pipeline = build_pipeline(config.train_dataloader.dataset.pipeline)
        batch_size = config.train_dataloader.batch_size
        for workers in args.workers:
            rate = loader_throughput(
                pipeline, info, workers=workers, batch_size=batch_size, batches=args.batches
            )
            report['scenes_per_second'][workers] = rate
            print(
                f'training loader, {workers} processes, batches of {batch_size}: '
                f'{rate:.1f} scenes a second'
            )
    return report


def _median_seconds(
    transforms: Sequence[dict], info: dict, *, repeat: int, warm_up: int
) -> dict[str, float]:
    """Return the median seconds of each transform, and of all together as ``in all``."""
    pipeline = build_pipeline(transforms)
    rows = [run_pipeline(pipeline, info, draw)[1] for draw in range(warm_up + repeat)][warm_up:]
    seconds = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    seconds['in all'] = statistics.median(sum(row.values()) for row in rows)
    return seconds
