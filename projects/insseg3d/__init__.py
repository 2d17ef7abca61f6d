# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Shared kernel of the 3D instance segmentation toolbox; importing it registers its parts."""

from . import compat  # noqa: F401, I001  (first: mmcv must be importable before the parts are)
from . import (  # noqa: F401
    backbones,
    datasets,
    engine,
    evaluation,
    heads,
    segmentors,
    transforms,
    visualization,
)
