# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Labels of made rooms: annotated objects, over-segments and categories."""
