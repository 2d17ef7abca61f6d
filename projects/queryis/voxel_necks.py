# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Necks without representative points: keys and values are voxels of a level (Table 4)."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from insseg3d.engine import iteration_generator
from insseg3d.ops.farthest import farthest_points
from insseg3d.ops.segment import pad_rows, split_rows
from insseg3d.structures import VoxelLevel

from .level_neck import LevelNeck


@MODELS.register_module()
class AllVoxelsNeck(LevelNeck):
    """Take all M voxels of the level; J is M of the largest scene.

    Source: 3D-QueryIS, Table 4, "w/o RPG". See :class:`LevelNeck` for the arguments.
    """

    def gather(self, level: VoxelLevel, batch_size: int) -> tuple[Tensor, Tensor | None]:
        return pad_rows(self.embed(level, batch_size))


class ChosenVoxelsNeck(LevelNeck):
    """Take J voxels of the level, or all if a scene has fewer. A subclass chooses them.

    Args:
        in_channels: See :class:`LevelNeck`, which also documents the remaining arguments.
        num_points: J.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_points: int = 2000,
        stride: int = 4,
        mlp_norm: dict | None = None,
        post_norm: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            stride=stride,
            mlp_norm=mlp_norm,
            post_norm=post_norm,
            init_cfg=init_cfg,
        )
        self.num_points = num_points

    @abstractmethod
    def choose(self, coors: Sequence[Tensor]) -> list[Tensor]:
        """Choose the rows of each scene, at most J of its ``(M, 3)`` voxels, each once."""

    def gather(self, level: VoxelLevel, batch_size: int) -> tuple[Tensor, Tensor | None]:
        batch = level.coors[:, 0]
        rows = split_rows(torch.arange(len(batch), device=batch.device), batch, batch_size)
        chosen = self.choose([level.coors[scene, 1:] for scene in rows])
        # Choose before embedding: the MLP then has J rows per scene.
        kept = [self.mlp(level.features[scene[pick]]) for scene, pick in zip(rows, chosen)]
        return pad_rows(kept)


@MODELS.register_module()
class RandomVoxelsNeck(ChosenVoxelsNeck):
    """Take J random voxels of the level.

    In training, the draw depends only on the seed and the iteration, so a resumed training makes
    the same draws. In a test it depends only on M, so a scene always has the same result. It is
    made on the host, so it is the same for every device.

    Source: 3D-QueryIS, Table 4, "Random". See :class:`ChosenVoxelsNeck` for the arguments.
    """

    def choose(self, coors: Sequence[Tensor]) -> list[Tensor]:
        chosen = []
        generator = iteration_generator() if self.training else None
        for scene in coors:
            if not self.training:
                generator = torch.Generator().manual_seed(0)
            draw = torch.randperm(len(scene), generator=generator)[: self.num_points]
            chosen.append(draw.to(scene.device))
        return chosen


@MODELS.register_module()
class FPSNeck(ChosenVoxelsNeck):
    """Take J voxels of the level by farthest point sampling of their grid indices.

    Source: 3D-QueryIS, Table 4, "FPS". See :class:`ChosenVoxelsNeck` for the arguments.
    """

    def choose(self, coors: Sequence[Tensor]) -> list[Tensor]:
        return farthest_points(coors, self.num_points)
