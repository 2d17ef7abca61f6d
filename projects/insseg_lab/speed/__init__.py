# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Timers of models, pipelines, inference, metrics and pages."""
