# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Batch normalisation of voxel features."""

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over voxels that copes with a level of one voxel or none.

    With fewer than two rows there is no variance to measure: the running statistics are used and
    left as they are. Defaults are those of the PointGroup family.

    With several processes each has running statistics of its own, which ``SyncSavedBuffersHook`` in
    configs/_base_/default_runtime.py averages before a validation and before a checkpoint is
    saved. mmengine's ``sync_bn`` would put another class in this one's place, and with it the rule
    for few rows would be gone.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-4, momentum: float = 0.1):
        super().__init__(num_features, eps=eps, momentum=momentum)

    def forward(self, features: Tensor) -> Tensor:
        if self.training and features.shape[0] < 2:
            return F.batch_norm(
                features,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                False,
                0.0,
                self.eps,
            )
        return super().forward(features)


def norm_relu(norm: nn.Module, features: Tensor) -> Tensor:
    """``relu(norm(features))``."""
    return F.relu(norm(features), inplace=True)
