# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Placement of furniture: floor plans, groups and room programs."""
