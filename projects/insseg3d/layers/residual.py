# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The residual block of the sparse U-Net."""

from torch import nn

from .norm import BatchNorm, norm_relu
from .sparse_conv import SubMConv3d
from .sparse_tensor import SparseTensor


class ResidualBlock(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))), with two 3x3x3 submanifold convolutions.

    If the widths differ, a linear map without bias projects x to the new width.
    """

    def __init__(self, in_channels: int, out_channels: int, *, backend: str = 'auto'):
        super().__init__()
        self.norm1 = BatchNorm(in_channels)
        self.conv1 = SubMConv3d(in_channels, out_channels, backend=backend)
        self.norm2 = BatchNorm(out_channels)
        self.conv2 = SubMConv3d(out_channels, out_channels, backend=backend)
        self.shortcut = None
        if in_channels != out_channels:
            self.shortcut = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: SparseTensor) -> SparseTensor:
        shortcut = x.features if self.shortcut is None else self.shortcut(x.features)
        y = self.conv1(x.replace(norm_relu(self.norm1, x.features)))
        y = self.conv2(y.replace(norm_relu(self.norm2, y.features)))
        return y.replace(y.features + shortcut)
