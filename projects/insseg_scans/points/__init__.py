# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of files of points, by format."""
