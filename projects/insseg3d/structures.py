# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The few structures that the parts hand to each other."""
from typing import NamedTuple

from torch import Tensor


class VoxelLevel(NamedTuple):
    """The voxels of one resolution of a batch of scenes.

    Attributes:
        features: ``(V_s, C_s)`` floating point.
        coors: ``(V_s, 4)`` integers (batch, x, y, z), grid indices at that resolution.
    """

    features: Tensor
    coors: Tensor
