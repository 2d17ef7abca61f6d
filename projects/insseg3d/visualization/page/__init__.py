# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The parts of the page: template, style and scripts (package data)."""
