# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Representative point generation (RPG): pool a scene's voxels into J learned points."""
import math

import torch
from mmcv.cnn import build_norm_layer
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.segment import split_rows
from insseg3d.structures import VoxelLevel


@MODELS.register_module()
class SumNormalizedMaps(BaseModule):
    """Pool with sigmoid activation maps, each divided by its sum over the scene.

    Source: 3D-QueryIS, Eq. 1 (the sigmoid stands in the sentence before it).
    Deviation: the division. Without it a representative point grows with the number of voxels;
    with it, it is a weighted mean, and J x M sums stay near the size of a feature.

    Args:
        prior: Activation of every voxel at the start. A small one lets each map leave the
            average of the scene sooner, since its sum is then made of the few voxels that it likes.
    """

    def __init__(self, *, prior: float = 0.01) -> None:
        super().__init__()
        if not 0 < prior < 1:
            raise ValueError(f'SumNormalizedMaps: prior is {prior}, expected a number in (0, 1).')
        self.prior = prior

    def init_maps(self, linear: nn.Linear) -> None:
        """Set the layer that makes the maps' logits so that all voxels start at ``prior``."""
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.constant_(linear.bias, math.log(self.prior / (1 - self.prior)))

    def forward(self, logits: Tensor, voxels: Tensor) -> Tensor:
        """Pool one scene.

        Args:
            logits: ``(M, J)``, from which the maps are made.
            voxels: ``(M, C)``.

        Returns:
            ``(J, C)``, weighted means of the voxels; 0 for a scene without voxels.
        """
        # The J x M maps are the largest tensor of the head: they are written once, and the sums
        # divide the pooled points instead.
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return (maps.T @ voxels) / maps.sum(0).clamp(min=1e-6)[:, None]


@MODELS.register_module()
class RPGNeck(BaseModule):
    """Pool one decoder level into J representative points with learned activation maps.

    ``O = MLP(level)``, ``Z = maps(E(O))``, ``S = Z O``: each representative point is a weighted
    mean of the voxels that its map selects, so J is the same for every scene.

    Source: 3D-QueryIS, Sec. 3.2, Eq. 1 and 2.
    Deviation: maps are normalised and S passes a norm layer; both are parts of the config.

    Args:
        in_channels: Channels of the pooled level.
        out_channels: C of the representative points.
        num_points: J.
        stride: Which decoder level is pooled, by its stride in finest voxels.
        maps: Config of the maps: how logits become weights and pool the voxels.
        mlp_norm: Norm layer inside the MLP, None for none.
        post_norm: Norm layer on the representative points, None for none.
        init_cfg: As in mmengine.
    """

    def __init__(
            self,
            *,
            in_channels: int,
            out_channels: int,
            num_points: int = 2000,
            stride: int = 4,
            maps: dict,
            mlp_norm: dict | None = None,
            post_norm: dict | None = None,
            init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.stride = stride
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, out_channels), _norm(mlp_norm, out_channels),
            nn.ReLU(), nn.Linear(out_channels, out_channels))
        self.map_logits = nn.Linear(out_channels, num_points)
        self.maps = MODELS.build(maps)
        self.post_norm = _norm(post_norm, out_channels)

    def init_weights(self) -> None:
        """Initialise, then let the activation set the layer whose range it depends on."""
        super().init_weights()
        self.maps.init_maps(self.map_logits)

    def forward(
            self, levels: dict[int, VoxelLevel],
            batch_size: int) -> tuple[Tensor, Tensor | None]:
        """Make the keys and values that the queries attend to.

        Args:
            levels: Decoder levels by stride.
            batch_size: B.

        Returns:
            Representative points ``(B, J, C)``, and which of them are padding ``(B, J)`` bool or
            None: J is the same for every scene, so here always None.

        Raises:
            ValueError: If the backbone does not return the level.
        """
        if self.stride not in levels:
            raise ValueError(
                f'RPGNeck: stride={self.stride}, but the backbone returns strides '
                f'{sorted(levels)}; set neck.stride or backbone.out_strides.')
        level = levels[self.stride]
        voxels = self.mlp(level.features)
        points = torch.stack([
            self._pool(scene) for scene in split_rows(voxels, level.coors[:, 0], batch_size)])
        return self.post_norm(points), None

    def _pool(self, voxels: Tensor) -> Tensor:
        """Eq. 1 and 2 for one scene, ``(M, C)`` to ``(J, C)``; in fp32, for the sums are long."""
        with torch.autocast(voxels.device.type, enabled=False):
            voxels = voxels if voxels.dtype == torch.float64 else voxels.float()
            return self.maps(self.map_logits(voxels), voxels)


def _norm(cfg: dict | None, channels: int) -> nn.Module:
    return nn.Identity() if cfg is None else build_norm_layer(cfg, channels)[1]
