# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Surfaces, materials and noise: the building blocks of furniture and rooms."""
