# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Features of positions, to be used beside features of a backbone."""

import math
from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class FourierPosition(nn.Module):
    """Describe a position by its coordinates, and by sines and cosines of them.

    With these features, one linear layer can express a mask around a position.

    Deviation: 3D-QueryIS has no position features.

    Args:
        wavelengths: Wavelengths of the sines and cosines, metres.
        scale: Factor of the coordinates, 1 / metres.

    Raises:
        ValueError: A wavelength is not positive.
    """

    def __init__(
        self, *, wavelengths: Sequence[float] = (16.0, 8.0, 4.0, 2.0, 1.0), scale: float = 0.3
    ) -> None:
        super().__init__()
        if not all(length > 0 for length in wavelengths):
            raise ValueError(
                f'FourierPosition: wavelengths are {tuple(wavelengths)}, expected metres above 0.'
            )
        self.scale = scale
        self.num_channels = 3 + 6 * len(wavelengths)
        frequencies = 2 * math.pi / torch.tensor(wavelengths, dtype=torch.float32)
        self.register_buffer('frequencies', frequencies, persistent=False)

    def forward(self, places: Tensor) -> Tensor:
        """Compute the features ``(..., num_channels)`` of places ``(..., 3)``, metres."""
        return torch.cat(self.parts(places), -1)

    def parts(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the same in parts, to be concatenated with other features in one step."""
        frequencies = self.frequencies.to(places.dtype)
        angles = (places[..., None, :] * frequencies[:, None]).flatten(-2)
        return self.scale * places, angles.sin(), angles.cos()
