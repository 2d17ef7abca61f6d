# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The sparse residual U-Net of clustering and query methods for indoor scans."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..layers import (
    BatchNorm,
    ResidualBlock,
    SparseConv3d,
    SparseInverseConv3d,
    SparseTensor,
    SubMConv3d,
    norm_relu,
)
from ..structures import VoxelLevel


@MODELS.register_module()
class SparseResUNet(BaseModule):
    """U-Net of submanifold residual blocks, with widths m, 2m, 3m … per level.

    A stem is followed by residual blocks at each level. Down: norm, ReLU, and a convolution with
    kernel 2 and stride 2. Up: norm, ReLU, and the inverse convolution; its output is concatenated
    after the encoder's features and passes residual blocks. A last norm and ReLU follow on the
    finest level. With 7 levels, 2 blocks per level and 6 input channels it has 7,532,096
    parameters at m = 16 (S) and 30,106,240 at m = 32 (L), not counting the last norm (2 m).

    Args:
        in_channels: Features per voxel. None omits the stem; the features must then have
            ``base_channels`` channels, as in the small networks over proposals.
        base_channels: Width m of the finest level.
        num_levels: Number of resolutions; strides are 1, 2, … 2 ** (num_levels - 1).
        blocks_per_level: Number of residual blocks per level of the encoder and of the decoder.
        out_strides: Strides to return; None returns all. An int returns only the feature tensor
            of that level, which mmdetection3d's own segmentors expect.
        backend: 'torch', 'spconv', 'triton' (spconv-triton), or 'auto': torch on a CPU, on a GPU
            what ``insseg3d.layers.best_backend`` chooses.
        init_cfg: mmengine's initialisation config.

    Source: 3D-QueryIS, section 3.2, and the U-Nets of the methods that it cites.
    """

    def __init__(
        self,
        *,
        in_channels: int | None = 6,
        base_channels: int = 16,
        num_levels: int = 7,
        blocks_per_level: int = 2,
        out_strides: int | Sequence[int] | None = None,
        backend: str = 'auto',
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg=init_cfg)
        self.num_levels = num_levels
        self.out_strides = _check_strides(out_strides, num_levels)
        widths = [base_channels * (level + 1) for level in range(num_levels)]

        def blocks(first: int, width: int) -> nn.Sequential:
            return nn.Sequential(
                *(
                    ResidualBlock(width if i else first, width, backend=backend)
                    for i in range(blocks_per_level)
                )
            )

        steps = list(zip(widths[:-1], widths[1:]))
        self.stem = (
            nn.Identity()
            if in_channels is None
            else SubMConv3d(in_channels, base_channels, backend=backend)
        )
        self.encoder = nn.ModuleList(blocks(width, width) for width in widths)
        self.down_norm = nn.ModuleList(BatchNorm(fine) for fine, _ in steps)
        self.down = nn.ModuleList(SparseConv3d(*step, backend=backend) for step in steps)
        self.up_norm = nn.ModuleList(BatchNorm(coarse) for _, coarse in steps)
        self.up = nn.ModuleList(
            SparseInverseConv3d(coarse, fine, backend=backend) for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(blocks(2 * fine, fine) for fine, _ in steps)
        self.out_norm = BatchNorm(base_channels)

    def forward(self, voxel_features: Tensor, coors: Tensor) -> dict[int, VoxelLevel] | Tensor:
        """Compute the features of the selected decoder levels.

        Args:
            voxel_features: ``(V, C_in)``.
            coors: ``(V, 4)`` integers (batch, x, y, z), unique, not negative, in any order.

        Returns:
            Decoder features keyed by stride, finest first. Rows of stride 1 are in input order;
            coarser rows are sorted by (batch, x, y, z), with coordinates floor(fine / stride).
            If ``out_strides`` is an int, that level's ``(V_s, C_s)`` features.

        Raises:
            ValueError: Coordinates are negative or not unique.
        """
        x = SparseTensor.from_voxels(voxel_features, coors, multiple=2 ** (self.num_levels - 1))
        x = self.encoder[0](self.stem(x))
        skips = [x]
        for norm, down, blocks in zip(self.down_norm, self.down, self.encoder[1:]):
            x = blocks(down(x.replace(norm_relu(norm, x.features))))
            skips.append(x)
        levels = {2 ** (self.num_levels - 1): x}
        for level in reversed(range(self.num_levels - 1)):
            skip = skips[level]
            x = x.replace(norm_relu(self.up_norm[level], x.features))
            x = self.up[level](x, skip)
            x = self.decoder[level](x.replace(torch.cat([skip.features, x.features], dim=1)))
            levels[2**level] = x
        levels[1] = levels[1].replace(norm_relu(self.out_norm, levels[1].features))
        return self._select(levels, coors)

    def _select(self, levels: dict[int, SparseTensor], coors: Tensor):
        def level(stride: int) -> VoxelLevel:
            x = levels[stride]
            if stride == 1:
                return VoxelLevel(x.input_order(), coors.int())
            return VoxelLevel(x.features, x.grid.coors)

        if isinstance(self.out_strides, int):
            return level(self.out_strides).features
        return {stride: level(stride) for stride in sorted(self.out_strides)}


def _check_strides(out_strides, num_levels: int):
    known = [2**level for level in range(num_levels)]
    if out_strides is None:
        return tuple(known)
    wrong = [
        stride
        for stride in ([out_strides] if isinstance(out_strides, int) else out_strides)
        if stride not in known
    ]
    if wrong:
        raise ValueError(
            f'out_strides has {wrong}, expected strides of {num_levels} levels: {known}'
        )
    return out_strides if isinstance(out_strides, int) else tuple(out_strides)
