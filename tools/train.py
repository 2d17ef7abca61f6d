# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""mmdetection3d's own train.py with this project imported first: same flags, same behaviour.

The import puts the cures of ``insseg3d/compat.py`` in place, so that the command also runs with
mmcv-lite and resumes with torch >= 2.6. All methods are imported too: a leaf whose custom_imports
name its own modules has replaced the list that names them.
"""

import insseg3d  # noqa: F401, I001  (before anything of mmdet3d)
from insseg3d.engine.installed import import_methods
from insseg3d.engine.stock_tools import run_stock

import_methods()  # at import, because worker processes that are spawned import this file

if __name__ == '__main__':
    run_stock('train.py')
