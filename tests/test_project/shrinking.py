# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Any leaf at a size that trains a step in a fraction of a second, with its parts kept.

The variable ``made_rooms`` of a leaf names the settings of its model that have a size, so that this
file knows no method.
"""

from collections.abc import Iterator

import torch
from mmengine import Config

BASE, WIDTH = 8, 16
SIZES = dict(points=24, queries=8, lengths=0.3, iterations=0)


def shrink(config: Config, work_dir: str) -> Config:
    """Narrow the network, coarsen the voxels, train one iteration; change no type of a part."""
    shrink_model(config.model, config.get('made_rooms') or {})
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        (table,) = [t for t in loader.dataset.pipeline if t.type == 'AddVoxelTables']
        table.voxel_size = 0.15
    config.train_dataloader.batch_size = 2
    if not torch.cuda.is_available() and config.optim_wrapper.type == 'AmpOptimWrapper':
        config.optim_wrapper.type = 'OptimWrapper'  # mmengine refuses the other without a GPU
    config.train_cfg.update(max_iters=1, val_interval=1000)
    config.default_hooks.logger.interval = 1
    config.log_level = 'WARNING'
    config.work_dir = work_dir
    return config


def shrink_model(model: dict, rules: dict) -> None:
    """Bring the settings that ``made_rooms`` names, and what follows from them, to a small size."""
    finest = finest_width(model.backbone)
    widths = list(settings(model, rules.get('widths', ())))
    literal = finest in [part[name] for part, name in widths]
    strides = list(settings(model, [rules['stride']] if 'stride' in rules else ()))
    stride = strides[0][0][strides[0][1]] if strides else 1
    channels = shrink_backbone(model.backbone, stride)
    for part in [model.decode_head, *model.get('auxiliary', ())]:
        for inner in parts_of(part):
            shrink_part(inner, finest, channels[1])
    for rule, size in SIZES.items():
        for part, name in settings(model, rules.get(rule, ())):
            part[name] = size
    for part, name in widths:
        part[name] = channels[1] if literal else WIDTH
    if strides:
        for part, name in settings(model, [rules['level_channels']]):
            part[name] = channels[stride]
    for part, name in settings(model, rules.get('class_tables', ())):
        if all(isinstance(value, int) for value in part[name]):  # points, not metres
            part[name] = [10] * model.decode_head.num_classes


def shrink_part(part: dict, finest: int, width: int) -> None:
    """Let a part of the head read the small backbone, and keep objects of one point."""
    for name in ('in_channels', 'base_channels', 'channels'):
        if part.get(name) == finest:
            part[name] = width
    if 'reading_channels' in part:  # the finest channels and those of positions and classes
        part['reading_channels'] += width - finest
    for name, least in (('min_points', 1), ('score_thr', 0.0)):
        if name in part:
            part[name] = least


def parts_of(part: dict) -> Iterator[dict]:
    """Yield a part of a model and all parts inside it."""
    yield part
    for value in part.values():
        if isinstance(value, dict):
            yield from parts_of(value)


def settings(model: dict, keys: list[str]) -> Iterator[tuple[dict, str]]:
    """Yield the part and the name of each dotted key that the model sets."""
    for key in keys:
        *parents, name = key.split('.')
        part = model
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        if isinstance(part, dict) and part.get(name) is not None:
            yield part, name


def finest_width(backbone: dict) -> int:
    """Return the channels of the finest level."""
    return backbone.get('decoder_channels', [backbone.base_channels])[-1]


def shrink_backbone(backbone: dict, stride: int) -> dict[int, int]:
    """Narrow a backbone, and return the channels of each decoder level by stride."""
    if backbone.type == 'SparseResUNet':
        levels = max(3, stride.bit_length() + 1)
        backbone.update(base_channels=BASE, num_levels=levels, blocks_per_level=1)
        return {2**level: BASE * (level + 1) for level in range(levels)}
    backbone.update(
        base_channels=BASE,
        encoder_channels=[8, 8, 16, 16],
        decoder_channels=[16, 16, 12, BASE],
        encoder_blocks=[1] * 4,
        decoder_blocks=[1] * 4,
    )
    return {8: 16, 4: 16, 2: 12, 1: BASE}
