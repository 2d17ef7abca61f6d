# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Budgets: what brings a leaf of the paper's size to the size of made rooms.

A budget multiplies and divides what the leaf says, and never overwrites what an ablation varies: a
leaf with twice the representative points has twice as many here too. What a method wants to know of
the objects of each class, it is told of the rooms that it is trained on.
"""

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.config import Config

from insseg_analysis.dataset import class_tables
from made_rooms import COMMON_KINDS


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Sizes of an experiment on made rooms. Factors are applied to what the leaf says.

    Attributes:
        train_rooms: rooms to train on.
        held_out_rooms: rooms to test on.
        iterations: of the training; the rate decays to 0 at the last.
        batch_size: scenes an iteration.
        workers: processes that load training scenes.
        voxel_factor: of the voxels' edge.
        num_levels: levels of the backbone, at most.
        stride_divisor: of the stride of the level that keys and values are made from.
        points_factor: of J.
        queries_factor: of K.
        width_factor: of the width of queries and keys; where a leaf gives them the width of the
            backbone's finest level, they keep it.
        lr_factor: of the learning rate.
        warm_up: first iterations, in which the rate grows.
        elastic: whether training scenes are distorted, where the leaf does so.
        max_points: of a training scene, at most, where the leaf crops; None: what the leaf says.
        room_options: of ``synthesize.py``; None: those of the demo.
    """

    train_rooms: int
    held_out_rooms: int
    iterations: int
    batch_size: int
    workers: int
    voxel_factor: float = 4.0
    num_levels: int = 5
    stride_divisor: int = 2
    points_factor: float = 0.128
    queries_factor: float = 0.4
    width_factor: float = 0.5
    lr_factor: float = 3.0
    warm_up: int = 50
    elastic: bool = False
    max_points: int | None = None
    room_options: tuple[str, ...] | None = None

    def facts(self) -> dict:
        """What stands in results: all that is set, as JSON gives it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value is not None
        }


BUDGETS = {
    # Two to three minutes a run on two cores: differences are those of the first steps.
    'cpu-small': Budget(
        train_rooms=100, held_out_rooms=16, iterations=800, batch_size=2, workers=1
    ),
    # The sizes of the demo, some ten minutes.
    'cpu': Budget(train_rooms=400, held_out_rooms=24, iterations=5000, batch_size=2, workers=1),
    # The leaf's own model and voxels, for weights to time: what grouping takes depends on what the
    # points say. Rooms are dense, and of few kinds of objects, so that these are learned in time.
    'timing': Budget(
        train_rooms=120,
        held_out_rooms=3,
        iterations=1500,
        batch_size=1,
        workers=1,
        voxel_factor=1.0,
        num_levels=7,
        stride_divisor=1,
        points_factor=1.0,
        queries_factor=1.0,
        width_factor=1.0,
        max_points=30_000,
        room_options=('--kinds', ','.join(COMMON_KINDS)),
    ),
    # Nearly the paper's model; rooms are smaller than scans, so are J and K.
    'gpu': Budget(
        train_rooms=1000,
        held_out_rooms=48,
        iterations=15_000,
        batch_size=8,
        workers=6,
        voxel_factor=2.0,
        num_levels=6,
        stride_divisor=1,
        points_factor=0.5,
        queries_factor=0.5,
        width_factor=1.0,
        lr_factor=1.0,
        warm_up=500,
        elastic=True,
    ),
}


def fit_to_rooms(
    leaf: Config, budget: Budget, *, seed: int, data_root: str | Path, results_file: str | Path
) -> Config:
    """The config of one run.

    Args:
        leaf: Of the paper's size, on the layout of ScanNet.
        budget: What to bring it to.
        seed: Of weights, order and augmentation.
        data_root: Prepared made rooms.
        results_file: Where the metric keeps its tables.

    Raises:
        ValueError: If the leaf has other parts than the budget knows to bring to another size.
    """
    config = copy.deepcopy(leaf)
    _fit_model(config, budget)  # reads how long the leaf trains
    _fit_data(config, budget, data_root)
    config.optim_wrapper.optimizer.lr *= budget.lr_factor
    config.param_scheduler = [
        dict(
            type='LinearLR',
            start_factor=1e-3,
            by_epoch=False,
            begin=0,
            end=min(budget.warm_up, budget.iterations),
        ),
        dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=budget.iterations),
    ]
    # The stock loop validates after the last iteration, whatever the interval: begin later.
    config.train_cfg.update(
        max_iters=budget.iterations, val_interval=budget.iterations, val_begin=budget.iterations + 1
    )
    interval = min(20, budget.iterations)
    config.default_hooks.logger.update(interval=interval)
    config.log_processor.window_size = interval  # so that the logged times add up
    # Two: the older one goes before the newer is written whole.
    config.default_hooks.checkpoint.update(
        interval=max(budget.iterations // 20, 1), max_keep_ckpts=2
    )
    config.randomness = dict(seed=seed)
    config.test_evaluator.update(results_file=str(results_file))
    return config


def _fit_model(config: Config, budget: Budget) -> None:
    model = config.model
    backbone, neck, head = (model.get(part) or {} for part in ('backbone', 'neck', 'decode_head'))
    groups = 'grouping' in head
    missing = [
        name
        for name, found in (
            ('backbone.base_channels', 'base_channels' in backbone),
            ('backbone.num_levels', 'num_levels' in backbone),
            ('neck.stride', groups or 'stride' in neck),
            ('decode_head.embed_dims', groups or 'embed_dims' in head),
        )
        if not found
    ]
    if missing:
        raise ValueError(
            f'{config.filename}: the model has no {", ".join(missing)}; a budget brings only '
            'models with these, or with a decode_head.grouping, to the size of made rooms. Write a '
            'leaf of that size instead.'
        )
    backbone.update(num_levels=min(backbone.num_levels, budget.num_levels))
    if groups:
        _fit_grouping(head, budget, budget.iterations / config.train_cfg.max_iters)
    else:
        _fit_queries(config, budget)


def _fit_queries(config: Config, budget: Budget) -> None:
    backbone, neck, head = (config.model[part] for part in ('backbone', 'neck', 'decode_head'))
    unit, levels = backbone.base_channels, backbone.num_levels
    stride = max(neck.stride // budget.stride_divisor, 1)
    if stride > 2 ** (levels - 1):
        raise ValueError(
            f'{config.filename}: stride {neck.stride} is {stride} on made rooms, but '
            f'the budget has {levels} levels, up to stride {2 ** (levels - 1)}.'
        )
    backbone.update(out_strides=tuple(sorted({1, stride})))
    neck.update(stride=stride, in_channels=unit * (1 + int(math.log2(stride))))
    width = 1.0 if head.embed_dims == unit else budget.width_factor
    factors = dict(
        num_points=budget.points_factor,
        num_queries=budget.queries_factor,
        embed_dims=width,
        out_channels=width,
        feedforward_channels=width,
    )
    for part in (neck, head):
        _scale(part, factors)


def _fit_grouping(head: dict, budget: Budget, share: float) -> None:
    """Lengths grow with the voxels; what begins later begins after the same share of the training.

    Points of a voxel have one offset, so that a shifted object is as large as a voxel at least.
    """
    head.grouping.radius = round(head.grouping.radius * budget.voxel_factor, 6)
    head.proposal_net.score_scale /= budget.voxel_factor
    for key in ('prepare_iters', 'mask_iters'):
        if key in head:
            head[key] = round(head[key] * share)


def _scale(part: dict, factors: dict[str, float]) -> None:
    """Multiply the sizes of a part and of those inside it."""
    for key, value in part.items():
        if isinstance(value, dict):
            _scale(value, factors)
        elif key in factors and value is not None:
            part[key] = max(round(value * factors[key]), 1)


def _fit_data(config: Config, budget: Budget, data_root: str | Path) -> None:
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        if Path(loader.dataset.data_root).name != 'scannet':
            raise ValueError(
                f'{config.filename}: {name}_dataloader reads {loader.dataset.type}; made rooms '
                'are written in the layout of ScanNet, expected a leaf of that data set.'
            )
        transforms = [
            t for t in loader.dataset.pipeline if budget.elastic or t.type != 'ElasticDistortion'
        ]
        for transform in transforms:
            if transform.type == 'AddVoxelTables':
                transform.voxel_size = round(transform.voxel_size * budget.voxel_factor, 6)
            if transform.type == 'CropToMaxPoints' and budget.max_points is not None:
                transform.max_points = budget.max_points
        loader.dataset.update(data_root=str(data_root), pipeline=transforms)
        workers = budget.workers if name == 'train' else min(budget.workers, 1)
        loader.update(num_workers=workers, persistent_workers=workers > 0)
    config.train_dataloader.batch_size = budget.batch_size


def needs_class_tables(config: Config) -> bool:
    """Whether the model reads what objects of each class are usually like."""
    return 'class_points' in config.model.decode_head.get('grouping', {})


def fill_class_tables(config: Config, statistics: dict[str, dict]) -> None:
    """Put what was found in the training data in place of a leaf's tables.

    Args:
        config: Of a run, changed in place.
        statistics: As of ``class_statistics``, of the training data.
    """
    grouping = config.model.decode_head.grouping
    grouping.update(
        {name: table for name, table in class_tables(statistics).items() if name in grouping}
    )
