# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of meshes; points can be sampled on their surfaces."""
