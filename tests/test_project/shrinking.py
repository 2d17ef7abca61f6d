# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Any leaf at a size that trains a step in a fraction of a second, with what it is about kept."""

import torch
from mmengine import Config

BASE, WIDTH = 8, 16


def shrink(config: Config, work_dir: str) -> Config:
    """Narrow the network, coarsen the voxels, train one iteration; change no type of a part."""
    model = config.model
    widths = shrink_backbone(model.backbone, model.get('neck', {}).get('stride', 1))
    if model.decode_head.type == 'QueryISHead':
        shrink_queries(model, widths)
    elif 'grouping' in model.decode_head:
        shrink_grouping(model.decode_head, widths[1])
    else:
        model.decode_head.channels = widths[1]
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


def shrink_backbone(backbone: dict, stride: int) -> dict[int, int]:
    """Channels of each decoder level by stride."""
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


def shrink_queries(model: dict, widths: dict[int, int]) -> None:
    neck, head = model.neck, model.decode_head
    literal = head.embed_dims == head.in_channels
    width = widths[1] if literal else WIDTH
    neck.update(in_channels=widths[neck.stride], out_channels=width)
    if 'num_points' in neck:
        neck.num_points = 24
    queries = head.decoder.queries
    queries.update(num_queries=8, embed_dims=width)
    if 'in_channels' in queries:
        queries.in_channels = widths[1]
    head.update(in_channels=widths[1], embed_dims=width)
    head.decoder.layer.embed_dims = width
    head.ranking.min_points = 1


def shrink_grouping(head: dict, width: int) -> None:
    """Proposals from the first iteration on, of coarse voxels and few points."""
    head.in_channels = head.proposal_net.unet.base_channels = width
    head.grouping.radius = 0.3
    for key in ('prepare_iters', 'mask_iters'):
        if key in head:
            head[key] = 0
    if 'class_points' in head.grouping:
        head.grouping.class_points = [10] * head.num_classes
    if 'min_points' in head.grouping:
        head.grouping.min_points = 1
    head.ranking.update(min_points=1, score_thr=0.0)
