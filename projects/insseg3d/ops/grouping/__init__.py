# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Radius graphs, clusters and proposals, for methods that group points."""
