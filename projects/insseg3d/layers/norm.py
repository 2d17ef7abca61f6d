# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Batch normalisation of voxel features."""

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over voxels that also works for levels of one voxel or none.

    Fewer than two rows have no variance; they are normalised with the running statistics, which do
    not change. Defaults are those of the PointGroup family.

    In a training with several processes, each process has its own running statistics.
    ``SyncSavedBuffersHook`` in configs/_base_/default_runtime.py averages them before validations
    and before checkpoints are saved. mmengine's ``sync_bn`` would replace this class, and lose its
    rule for few rows.
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
    """Compute ``relu(norm(features))``."""
    return F.relu(norm(features), inplace=True)
