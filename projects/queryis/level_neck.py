# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What all sources of keys and values share: the embedding of one decoder level."""
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.segment import split_rows
from insseg3d.structures import VoxelLevel


class LevelNeck(BaseModule):
    """Embed the voxels of one decoder level, ``O = MLP(level)``; the base of the necks.

    Args:
        in_channels: Channels of the level.
        out_channels: C of the keys and values.
        stride: Which decoder level, by its stride in finest voxels.
        mlp_norm: Norm layer inside the MLP, None for none.
        post_norm: Norm layer on the keys and values, None for none.
        init_cfg: As in mmengine.
    """

    def __init__(
            self,
            *,
            in_channels: int,
            out_channels: int,
            stride: int = 4,
            mlp_norm: dict | None = None,
            post_norm: dict | None = None,
            init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.stride = stride
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, out_channels), _norm(mlp_norm, out_channels),
            nn.ReLU(), nn.Linear(out_channels, out_channels))
        self.post_norm = _norm(post_norm, out_channels)

    def level(self, levels: dict[int, VoxelLevel]) -> VoxelLevel:
        """The level of this neck's stride.

        Raises:
            ValueError: If the backbone does not return it.
        """
        if self.stride not in levels:
            raise ValueError(
                f'{type(self).__name__}: stride={self.stride}, but the backbone returns strides '
                f'{sorted(levels)}; set neck.stride or backbone.out_strides.')
        return levels[self.stride]

    def embed(self, level: VoxelLevel, batch_size: int) -> list[Tensor]:
        """O of each scene, ``(M, C)``."""
        return split_rows(self.mlp(level.features), level.coors[:, 0], batch_size)


def _norm(cfg: dict | None, channels: int) -> nn.Module:
    return nn.Identity() if cfg is None else build_norm_layer(cfg, channels)[1]
