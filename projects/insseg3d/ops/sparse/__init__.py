# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolution on CPU tensors: neighbour tables and row-add kernels."""
