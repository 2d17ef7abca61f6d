# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One training step's gradients, in one process or in several: run by test_distributed.py.

    ddp_gradients.py CONFIG OUT SCENES OBJECTLESS

SCENES are comma-separated indices, dealt out to the processes; OBJECTLESS are those whose objects
are taken away. Norms are frozen, as their statistics are the one thing that processes do not share.
Everything in float64, so that only a wrong formula can make a difference.
"""

import insseg3d  # noqa: F401, I001  (first: its cures let mmdet3d import with mmcv-lite)

import os
import sys

import torch
from mmengine import Config
from mmengine.dist import get_dist_info, init_dist
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from torch.nn.modules.batchnorm import _BatchNorm

import queryis  # noqa: F401
from insseg3d.engine import DrawIndex
from mmdet3d.registry import DATASETS, MODELS


def load(dataset, index, *, with_objects):
    item = dataset[DrawIndex(index, (0, index))]
    item['inputs']['points'] = item['inputs']['points'].double()
    sample = item['data_samples']
    if not with_objects:
        sample.gt_instances_3d = sample.gt_instances_3d[:0]
        for key in ('inst_voxel', 'inst_index', 'inst_points'):
            sample.voxels.set_data({key: sample.voxels.get(key)[:0]})
    return item


def main(config, out, scenes, objectless):
    config = Config.fromfile(config)
    init_default_scope('mmdet3d')
    if 'WORLD_SIZE' in os.environ:
        init_dist('pytorch', backend='gloo')
    rank, world_size = get_dist_info()
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    model = model.double().train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    wrapped = model
    if world_size > 1:
        wrapped = MMDistributedDataParallel(
            module=model, device_ids=[rank], broadcast_buffers=False
        )
    dataset = DATASETS.build(config.train_dataloader.dataset)
    items = [
        load(dataset, index, with_objects=index not in objectless)
        for index in scenes[rank::world_size]
    ]
    data = dict(
        inputs=dict(points=[item['inputs']['points'] for item in items]),
        data_samples=[item['data_samples'] for item in items],
    )
    data = model.data_preprocessor(data, training=True)
    loss, _ = model.parse_losses(wrapped(**data, mode='loss'))
    loss.backward()
    if rank == 0:
        torch.save({name: parameter.grad for name, parameter in model.named_parameters()}, out)
    if world_size > 1:
        # DistributedDataParallel keeps gloo's threads alive; see insseg3d/engine/stock_tools.py.
        os._exit(0)


if __name__ == '__main__':
    main(
        sys.argv[1],
        sys.argv[2],
        *([int(index) for index in text.split(',') if index] for text in sys.argv[3:5]),
    )
