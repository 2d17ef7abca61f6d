# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A simulated depth camera and the points that it sees."""
