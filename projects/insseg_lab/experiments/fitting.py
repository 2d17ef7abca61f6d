# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Bring a leaf of the paper's size to the size of made rooms.

A budget multiplies and divides the settings of a leaf, and never overwrites what an ablation
varies: a leaf with twice the representative points has twice as many here, too. The variable
``made_rooms`` of a config lists the settings of its model that a budget changes, by dotted keys
below ``model``:

* ``stride``: stride of the level that the neck reads; ``level_channels``: the channels of that
  level.
* ``points``, ``queries``, ``widths``: counts that scale with the factors of the same names.
* ``lengths``: lengths, which grow with the voxels; ``per_metre``: numbers per metre.
* ``iterations``: first iterations of parts that begin later, as a share of the training.
* ``class_tables``: lists of a value per class, which are measured in the training rooms.

A key that a leaf does not set is passed over, because ablations replace parts.
"""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from insseg_analysis.dataset import class_tables

from .budgets import Budget

RULES = {
    'stride',
    'level_channels',
    'points',
    'queries',
    'widths',
    'lengths',
    'per_metre',
    'iterations',
    'class_tables',
}


def fit_to_rooms(
    leaf: Config, budget: Budget, *, seed: int, data_root: str | Path, results_file: str | Path
) -> Config:
    """Return the config of one run.

    Args:
        leaf: Config of the paper's size, on the layout of ScanNet.
        budget: Sizes to bring it to.
        seed: Seed of weights, order and augmentation.
        data_root: Prepared made rooms.
        results_file: File in which the metric keeps its tables.

    Raises:
        ValueError: If the leaf does not list what a budget changes, or has other parts.
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
    # Two: the older one is removed before the newer is complete.
    config.default_hooks.checkpoint.update(
        interval=max(budget.iterations // 20, 1), max_keep_ckpts=2
    )
    config.randomness = dict(seed=seed)
    config.test_evaluator.update(results_file=str(results_file))
    return config


def needs_class_tables(config: Config) -> bool:
    """Return whether the model reads usual sizes of the objects of each class."""
    return any(_find(config.model, key) for key in _rules(config).get('class_tables', ()))


def fill_class_tables(config: Config, statistics: dict[str, dict]) -> None:
    """Replace the tables of a leaf by what was measured in the training data.

    Args:
        config: Config of a run, changed in place.
        statistics: The training data's, from ``class_statistics``.
    """
    measured = class_tables(statistics)
    for key in _rules(config).get('class_tables', ()):
        found = _find(config.model, key)
        if found:
            part, name = found
            part[name] = measured[name]


def _rules(config: Config) -> dict:
    rules = config.get('made_rooms') or {}
    unknown = sorted(set(rules) - RULES)
    if unknown:
        raise ValueError(
            f'{config.filename}: made_rooms has {", ".join(unknown)}; expected some of '
            f'{", ".join(sorted(RULES))}.'
        )
    return rules


def _find(model: dict, key: str) -> tuple[dict, str] | None:
    """Return the part that holds a dotted key, and the last name; None if it is not set."""
    *parents, name = key.split('.')
    part = model
    for parent in parents:
        part = part.get(parent) if isinstance(part, dict) else None
    return (part, name) if isinstance(part, dict) and part.get(name) is not None else None


def _change(model: dict, keys: Sequence[str], change: Callable[[Any], Any]) -> None:
    for part, name in filter(None, (_find(model, key) for key in keys)):
        part[name] = change(part[name])


def _fit_model(config: Config, budget: Budget) -> None:
    rules, model = _rules(config), config.model
    backbone = model.get('backbone') or {}
    needed = [f'backbone.{name}' for name in ('base_channels', 'num_levels')]
    needed += [rules['stride']] if 'stride' in rules else []
    missing = [key for key in needed if not _find(model, key)]
    if missing or not rules:
        found = f'the model has no {", ".join(missing)}' if missing else 'it has no made_rooms'
        raise ValueError(
            f'{config.filename}: {found}; a budget brings only models with these to the size of '
            'made rooms, if made_rooms lists their settings. Write a leaf of that size instead.'
        )
    backbone.update(num_levels=min(backbone.num_levels, budget.num_levels))
    if 'stride' in rules:
        _fit_stride(config, rules, budget)
    share = budget.iterations / config.train_cfg.max_iters
    for name, change in (
        ('points', _times(budget.points_factor)),
        ('queries', _times(budget.queries_factor)),
        ('widths', _times(_width_factor(model, rules, budget))),
        ('lengths', lambda length: round(length * budget.voxel_factor, 6)),
        ('per_metre', lambda number: number / budget.voxel_factor),
        ('iterations', lambda number: round(number * share)),
    ):
        _change(model, rules.get(name, ()), change)


def _times(factor: float) -> Callable[[int], int]:
    return lambda number: max(round(number * factor), 1)


def _width_factor(model: dict, rules: dict, budget: Budget) -> float:
    """Return 1 if the leaf gives queries the width of the backbone's finest level."""
    found = filter(None, (_find(model, key) for key in rules.get('widths', ())))
    widths = [part[name] for part, name in found]
    return 1.0 if model.backbone.base_channels in widths else budget.width_factor


def _fit_stride(config: Config, rules: dict, budget: Budget) -> None:
    backbone = config.model.backbone
    part, name = _find(config.model, rules['stride'])
    stride, levels = max(part[name] // budget.stride_divisor, 1), backbone.num_levels
    if stride > 2 ** (levels - 1):
        raise ValueError(
            f'{config.filename}: stride {part[name]} is {stride} on made rooms, but '
            f'the budget has {levels} levels, up to stride {2 ** (levels - 1)}.'
        )
    part[name] = stride
    backbone.update(out_strides=tuple(sorted({1, stride})))
    channels = backbone.base_channels * (1 + int(math.log2(stride)))
    _change(config.model, [rules['level_channels']], lambda _: channels)


def _fit_data(config: Config, budget: Budget, data_root: str | Path) -> None:
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        if Path(loader.dataset.data_root).name != 'scannet':
            raise ValueError(
                f'{config.filename}: {name}_dataloader reads {loader.dataset.type}; made rooms '
                'are written in the layout of ScanNet, expected a leaf of that dataset.'
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
