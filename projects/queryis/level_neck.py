# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Base class of the necks: embed one decoder level as keys and values."""

from abc import abstractmethod

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.segment import split_rows
from insseg3d.structures import VoxelLevel


class LevelNeck(BaseModule):
    """Embed the voxels of one decoder level, ``O = MLP(level)``.

    A subclass defines ``gather``.

    Args:
        in_channels: Channels of the level.
        out_channels: C of the keys and values.
        stride: Decoder level, by its stride in finest voxels.
        mlp_norm: Config of the norm layer inside the MLP; None for none.
        post_norm: Config of the norm layer on the keys and values; None for none.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int = 4,
        mlp_norm: dict | None = None,
        post_norm: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stride = stride
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, out_channels),
            _norm(mlp_norm, out_channels),
            nn.ReLU(),
            nn.Linear(out_channels, out_channels),
        )
        self.post_norm = _norm(post_norm, out_channels)

    def forward(
        self, levels: dict[int, VoxelLevel], batch_size: int
    ) -> tuple[Tensor, Tensor | None]:
        """Compute the keys and values to which the queries attend.

        Args:
            levels: Decoder levels by stride.
            batch_size: B.

        Returns:
            Keys and values ``(B, J, C)``, and their padding ``(B, J)`` bool, None if there is none.

        Raises:
            ValueError: The backbone does not return the level.
        """
        if self.stride not in levels:
            raise ValueError(
                f'{type(self).__name__}: stride={self.stride}, but the backbone returns strides '
                f'{sorted(levels)}; set neck.stride or backbone.out_strides.'
            )
        points, padding = self.gather(levels[self.stride], batch_size)
        return self.post_norm(points), padding

    @abstractmethod
    def gather(self, level: VoxelLevel, batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Return keys, values and padding before the norm layer; see ``forward``."""

    def embed(self, level: VoxelLevel, batch_size: int) -> list[Tensor]:
        """Compute O of each scene, ``(M, C)``."""
        return split_rows(self.mlp(level.features), level.coors[:, 0], batch_size)


def _norm(cfg: dict | None, channels: int) -> nn.Module:
    return nn.Identity() if cfg is None else build_norm_layer(cfg, channels)[1]
