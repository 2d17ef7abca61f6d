# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""mmdetection3d's MinkUNet, with the levels of its decoder as output."""

from collections.abc import Sequence

import torch
from mmdet3d.models.backbones import MinkUNetBackbone
from mmdet3d.registry import MODELS
from torch import Tensor

from ..layers import spconv_available, spconv_tensor
from ..structures import VoxelLevel


@MODELS.register_module()
class MultiLevelMinkUNet(MinkUNetBackbone):
    """mmdetection3d's ``MinkUNetBackbone`` on spconv, which returns decoder levels by stride.

    The stock class returns the finest features only. It also appends to the lists of channels in
    its config at each build; this class passes copies. The extents of the grid are rounded up,
    because a stride drops the last voxel of an odd axis. Parameters have the names of the stock
    class, whose checkpoints can be loaded.

    Args:
        in_channels: Features per voxel.
        base_channels: Width of the finest encoder level.
        encoder_channels: Width of each coarser level, stride 2 first.
        decoder_channels: Width of each decoder level, coarsest first; the last is stride 1.
        encoder_blocks: Residual blocks of each encoder level.
        decoder_blocks: Residual blocks of each decoder level.
        block_type: 'basic' or 'bottleneck'.
        init_cfg: mmengine's initialisation config.

    Raises:
        ImportError: The package spconv 2 is not installed.
    """

    def __init__(
        self,
        *,
        in_channels: int = 6,
        base_channels: int = 32,
        encoder_channels: Sequence[int] = (32, 64, 128, 256),
        decoder_channels: Sequence[int] = (256, 128, 96, 96),
        encoder_blocks: Sequence[int] = (2, 2, 2, 2),
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
        block_type: str = 'basic',
        init_cfg: dict | None = None,
    ) -> None:
        if not spconv_available():
            raise ImportError(
                "MultiLevelMinkUNet: spconv 2 is not installed, and mmdetection3d's blocks need "
                'it; install the wheel for this machine (setup.cfg names them), or use '
                'SparseResUNet.'
            )
        super().__init__(
            in_channels=in_channels,
            base_channels=base_channels,
            num_stages=len(encoder_channels),
            encoder_channels=list(encoder_channels),
            encoder_blocks=list(encoder_blocks),
            decoder_channels=list(decoder_channels),
            decoder_blocks=list(decoder_blocks),
            block_type=block_type,
            sparseconv_backend='spconv',
            init_cfg=init_cfg,
        )

    def forward(self, voxel_features: Tensor, coors: Tensor) -> dict[int, VoxelLevel]:
        """Compute the features of all decoder levels.

        Args:
            voxel_features: ``(V, C_in)``.
            coors: ``(V, 4)`` integers (batch, x, y, z), unique, not negative.

        Returns:
            Decoder features keyed by stride, 1, 2, … 2 ** (number of stages - 1). Rows of stride
            1 are in input order, coarser rows in the order of spconv.
        """
        # spconv launches on the current device, which may differ from that of the features.
        with torch.cuda.device_of(voxel_features):
            return self._levels(spconv_tensor(voxel_features, coors, multiple=2**self.num_stages))

    def _levels(self, x) -> dict[int, VoxelLevel]:
        x = self.conv_input(x)
        encoded = [x]
        for stage in self.encoder:
            encoded.append(stage(encoded[-1]))
        x, levels = encoded.pop(), {}
        for up, blocks in self.decoder:
            skip = encoded.pop()
            x = up(x)
            x = blocks(x.replace_feature(torch.cat([x.features, skip.features], dim=1)))
            levels[2 ** len(encoded)] = VoxelLevel(x.features, x.indices)
        return dict(sorted(levels.items()))
