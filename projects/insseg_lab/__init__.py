# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measurements and comparisons: speed, memory and series of trainings."""
