# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Unedited third-party scripts."""
