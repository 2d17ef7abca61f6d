# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From raw releases to mmdetection3d's prepared format. No class here is registered."""
