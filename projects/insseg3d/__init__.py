# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Shared kernel of the 3D instance segmentation toolbox."""
from . import compat  # noqa: F401  (first: mmcv must import afterwards)
