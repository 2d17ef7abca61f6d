# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of raw S3DIS rooms."""
