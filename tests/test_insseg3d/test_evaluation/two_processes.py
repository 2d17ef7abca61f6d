# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One of the two processes of test_two_processes.py; it evaluates every second scene."""

import insseg3d  # noqa: F401, I001  (before anything of mmdet3d)

import json
import sys

import torch.distributed as dist
from rooms import CLASSES, sample_of
from mmdet3d.registry import METRICS
from mmengine.dist import get_rank, get_world_size, init_dist

if __name__ == '__main__':
    out, num_scenes = sys.argv[1], int(sys.argv[2])
    init_dist('pytorch', backend='gloo')
    metric = METRICS.build(dict(type='CoverageInsSegMetric', results_file=f'{out}.npz'))
    metric.dataset_meta = {'classes': CLASSES}
    rank, world_size = get_rank(), get_world_size()
    # mmengine's sampler deals out scenes in turn, and repeats the last ones.
    share = [k % num_scenes for k in range(rank, num_scenes + num_scenes % world_size, world_size)]
    metric.process({}, [sample_of(seed) for seed in share])
    metrics = metric.evaluate(num_scenes)
    if rank == 0:
        with open(f'{out}.json', 'w') as file:
            json.dump(metrics, file)
    dist.destroy_process_group()
