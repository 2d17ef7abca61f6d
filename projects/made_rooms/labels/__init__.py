# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Labels of made rooms: objects of scan annotation, over-segments and categories."""
