# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolution: pair tables of neighbouring voxels, and compiled CPU kernels."""
