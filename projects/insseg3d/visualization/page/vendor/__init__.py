# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scripts of others, carried as they were published."""
