# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Small random rooms with predictions, for several tests."""

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import InstanceData

CLASSES = ('chair', 'table', 'sofa')


def made_room(seed, num_points=900):
    rng = np.random.default_rng(seed)
    instance = np.repeat(np.arange(-1, num_points // 150 - 1), 150)
    semantic = rng.integers(0, 4, instance.max() + 2)[instance]
    num = int(rng.integers(0, 7))
    masks = rng.random((num, num_points)) < 0.1
    for row in range(num):
        masks[row] |= instance == rng.integers(-1, instance.max() + 1)
    return dict(
        pred_masks=masks,
        pred_labels=rng.integers(0, 3, num),
        pred_scores=rng.random(num),
        gt_instance=instance,
        gt_semantic=semantic,
    )


def sample_of(seed):
    """Make a room in the format in which mmengine's evaluator passes it to a metric."""
    room = made_room(seed)
    sample = Det3DDataSample(metainfo={'lidar_path': f'rooms/room{seed}.bin'})
    sample.eval_ann_info = {
        'pts_instance_mask': room['gt_instance'],
        'pts_semantic_mask': room['gt_semantic'],
    }
    sample.pred_instances_3d = InstanceData(
        masks=torch.from_numpy(room['pred_masks']),
        labels_3d=torch.from_numpy(room['pred_labels']),
        scores_3d=torch.from_numpy(room['pred_scores']),
    )
    return sample.to_dict()
