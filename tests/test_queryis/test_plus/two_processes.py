# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Gradients of the head in one of two processes, which test_plus_head.py starts.

Each process has one of the two scenes of a case. In float64, only a wrong formula can make a
difference.
"""

import insseg3d  # noqa: F401, I001  (first, because it lets mmdet3d import with mmcv-lite)

import os
import sys

import torch
from mmengine.dist import get_rank, init_dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .scenes import batch_of, make_scene, plus_head

CASES = {
    'both with objects': dict(objects=(3, 1)),
    'one without': dict(objects=(3, 0)),
    'none with objects': dict(objects=(0, 0)),
}


class Losses(nn.Module):
    """Sum of the losses of a head."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, batch):
        return sum(self.head.loss(batch).values())


def gradients_of(objects, rank=None, **changes):
    """Compute the gradients of two scenes, or of one of them in a process with this rank.

    Norms are frozen, as processes do not share their statistics.
    """
    head = plus_head(**changes).double().train()
    head.features.pointwise.eval()
    model, scenes = (
        Losses(head),
        [make_scene(60 + 50 * i, n, seed=i) for i, n in enumerate(objects)],
    )
    if rank is not None:
        model, scenes = DistributedDataParallel(model), scenes[rank : rank + 1]
    for _ in range(2):  # the second call fails if the first left out a parameter
        head.zero_grad()
        model(batch_of(*scenes, dtype=torch.float64)).backward()
    return {name: parameter.grad for name, parameter in head.named_parameters()}


if __name__ == '__main__':
    init_dist('pytorch', backend='gloo')
    found = {name: gradients_of(rank=get_rank(), **case) for name, case in CASES.items()}
    if get_rank() == 0:
        torch.save(found, sys.argv[1])
    sys.stdout.flush()
    # DistributedDataParallel keeps gloo's threads alive; see insseg3d/engine/stock_tools.py.
    os._exit(0)
