# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Surfaces, materials and noise that furniture and rooms are built from."""
