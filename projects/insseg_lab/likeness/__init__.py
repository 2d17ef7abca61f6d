# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Comparison of scans with real ones: shapes, surfaces, colours."""
