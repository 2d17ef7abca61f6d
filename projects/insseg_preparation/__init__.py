# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converters of raw releases into mmdetection3d's prepared format; nothing is registered."""
