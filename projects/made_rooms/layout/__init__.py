# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Placement of furniture: layouts, groups of furniture and types of rooms."""
