# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""mmdetection3d's own train.py with this project imported first: same flags, same behaviour.

The import puts the cures of ``insseg3d/compat.py`` in place, so that the command also runs with
mmcv-lite and resumes with torch >= 2.6.
"""
import insseg3d  # noqa: F401, I001  (before anything of mmdet3d)
from stock import run_stock

if __name__ == '__main__':
    run_stock('train.py')
